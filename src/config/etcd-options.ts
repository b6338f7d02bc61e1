// Rows of the table of options: how to reach the live etcd, as etcdctl is told.
import { type CommandName, LONGEST_TIMER, type OptionSpec } from "./option.ts";

const CONNECTED: readonly CommandName[] = ["save", "repo adopt"];
/** A restore asks whoever still answers which cluster it is of. */
const ASKING: readonly CommandName[] = [...CONNECTED, "restore"];

export const ETCD_OPTIONS = {
  endpoints: {
    kind: "list",
    placeholder: "URL,…",
    default: "127.0.0.1:2379",
    etcdctl: "ETCDCTL_ENDPOINTS",
    group: "etcd",
    commands: CONNECTED,
    description: "Client URLs of etcd's members. Without a scheme: TLS where a TLS option is given, else plain text, as etcdctl does.",
  },
  cacert: {
    kind: "path",
    placeholder: "FILE",
    etcdctl: "ETCDCTL_CACERT",
    group: "etcd",
    commands: CONNECTED,
    defaultText: "the system's authorities",
    description: "Certificate authorities that the members' certificates are checked against, PEM.",
  },
  cert: { kind: "path", placeholder: "FILE", etcdctl: "ETCDCTL_CERT", group: "etcd", commands: ASKING, description: "Client certificate, PEM." },
  key: { kind: "path", placeholder: "FILE", etcdctl: "ETCDCTL_KEY", group: "etcd", commands: ASKING, description: "Key of the client certificate, PEM." },
  user: {
    kind: "string",
    placeholder: "NAME",
    etcdctl: "ETCDCTL_USER",
    passwordAfterColon: true,
    group: "etcd",
    commands: CONNECTED,
    description: "etcd user. In the environment, but not in arguments, NAME:PASSWORD is understood as well.",
  },
  "password-file": {
    kind: "secret-file",
    placeholder: "FILE",
    group: "etcd",
    commands: CONNECTED,
    description: "File that holds the user's password; a newline at its end is not part of it.",
  },
  password: {
    kind: "secret",
    etcdctl: "ETCDCTL_PASSWORD",
    group: "etcd",
    commands: CONNECTED,
    description: "The user's password; only as an environment variable, since arguments are visible to every user of the host.",
  },
  "insecure-transport": {
    kind: "boolean",
    default: "true",
    etcdctl: "ETCDCTL_INSECURE_TRANSPORT",
    group: "etcd",
    commands: CONNECTED,
    description: "Whether endpoints without a scheme may be spoken to in plain text; false demands TLS of all.",
  },
  "insecure-skip-tls-verify": {
    kind: "boolean",
    default: "false",
    etcdctl: "ETCDCTL_INSECURE_SKIP_TLS_VERIFY",
    group: "etcd",
    commands: CONNECTED,
    description: "Accept any server certificate. For tests only: whoever sits in between can hand over any data as a backup.",
  },
  "dial-timeout": {
    kind: "duration",
    placeholder: "DURATION",
    default: "2s",
    atLeast: "1ms",
    atMost: LONGEST_TIMER,
    etcdctl: "ETCDCTL_DIAL_TIMEOUT",
    group: "etcd",
    commands: CONNECTED,
    description: "Limit of each attempt to connect.",
  },
  "command-timeout": {
    kind: "duration",
    placeholder: "DURATION",
    default: "5s",
    atLeast: "1ms",
    atMost: LONGEST_TIMER,
    etcdctl: "ETCDCTL_COMMAND_TIMEOUT",
    group: "etcd",
    commands: CONNECTED,
    description: "Limit of each short request, such as a status.",
  },
} as const satisfies Record<string, OptionSpec>;
