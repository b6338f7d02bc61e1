// Rows of the table of options: what an agent does when, and where it answers, which whoever asks it needs as well. It takes those of save, verify and prune too.
import type { OptionSpec } from "./option.ts";

const COMMANDS = ["agent"] as const;
const WITH_WHO_ASKS = ["agent", "health"] as const;

export const AGENT_OPTIONS = {
  "save-schedule": {
    kind: "string",
    placeholder: "CRON",
    group: "Schedules",
    commands: COMMANDS,
    defaultText: "only when somebody asks",
    description:
      "When to save, as five fields of cron (`17 * * * *`) or @hourly, @daily, @weekly, @monthly, @yearly. What was missed is caught up by one run; of a cluster that was never saved, one is taken at once.",
  },
  "verify-schedule": {
    kind: "string",
    placeholder: "CRON",
    group: "Schedules",
    commands: COMMANDS,
    defaultText: "only when somebody asks",
    description: "When to read back what is stored: each backup once, at the level of --level that the given keys allow, and again after --verify-again-after.",
  },
  "verify-again-after": {
    kind: "duration",
    placeholder: "DURATION",
    default: "30d",
    atLeast: "1h",
    group: "Schedules",
    commands: COMMANDS,
    description: "How long a verification that passed counts, until that backup is read back again.",
  },
  "prune-schedule": {
    kind: "string",
    placeholder: "CRON",
    group: "Schedules",
    commands: COMMANDS,
    defaultText: "never",
    description: "When to remove what the retention policy keeps no longer: that of the options, or the repository's.",
  },
  "schedule-timezone": {
    kind: "string",
    placeholder: "ZONE",
    default: "UTC",
    group: "Schedules",
    commands: COMMANDS,
    description: "Time zone of the schedules, e.g. Europe/Berlin.",
  },
  listen: {
    kind: "string",
    placeholder: "HOST:PORT",
    default: "127.0.0.1:9379",
    pattern: { regex: /^(\[[0-9a-fA-F:.]+\]|[A-Za-z0-9.-]*):\d{1,5}$/, is: "HOST:PORT, or :PORT for all addresses" },
    group: "HTTP",
    commands: WITH_WHO_ASKS,
    description: "Where the agent's page, its metrics and its state are read (docs/agent-http.md).",
  },
  "listen-cert": {
    kind: "path",
    placeholder: "FILE",
    group: "HTTP",
    commands: WITH_WHO_ASKS,
    description: "PEM file of the certificate to answer with, over TLS; with --listen-key. Both are read again when they change.",
  },
  "listen-key": { kind: "path", placeholder: "FILE", group: "HTTP", commands: WITH_WHO_ASKS, description: "PEM file of that certificate's key." },
  "listen-token-file": {
    kind: "secret-file",
    placeholder: "FILE",
    group: "HTTP",
    commands: COMMANDS,
    defaultText: "nobody may",
    description: "File that holds the token with which saves and verifications may be asked for (`Authorization: Bearer …`).",
  },
} as const satisfies Record<string, OptionSpec>;
