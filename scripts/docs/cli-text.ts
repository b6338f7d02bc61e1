// The prose of docs/cli.md that belongs to no single command.

import type { CommandName } from "../../src/config/option.ts";

export const CONVENTIONS = `## Conventions

- A **repository** is named by \`--repository\`: a directory or \`file://\` URL. Inside it, each cluster has a name, \`--cluster\`.
- A **backup** is named by its id, a unique beginning of its id, \`latest\` (the newest that is fit for a restore: not suspect, partial or damaged) or
  \`oldest\`; a snapshot **file** by its path. An operand with a \`/\` or \`.\` in front is always a path.
- The **result** of a command goes to standard output: text, or with \`-o json\` exactly one JSON document. Readers ignore fields they do not know. 64-bit
  numbers (revisions, raft indexes, lease ids) are decimal strings; member and cluster ids are 16 hexadecimal digits; times are RFC 3339, UTC.
- **Log and progress** go to standard error: a bar on a terminal, elsewhere a line every ten seconds for steps that take that long. \`--log-format json\`
  makes every line a JSON object with \`time\`, \`level\` and \`message\`; progress is the message \`progress\` with \`step\`, \`doneBytes\` and \`totalBytes\`.
  It is the default with \`-o json\`: then every line of standard error is one JSON object, and where the command failed, the last line is the error, which alone
  has a \`code\` and an \`exitCode\` ([errors.md](errors.md)).
- **SIGINT, SIGTERM and SIGHUP** (a terminal or ssh connection that is lost) stop a command and clean up. Another one ends it at once, without cleaning
  up, unless it comes within a second: \`timeout\`, \`npm run\` and terminals often deliver one signal twice. Only where
  a read of a file hangs, as on a network file system whose server is away, it ends no sooner than that read does. Neither leaves a half backup that is
  ever listed, nor half a restore. \`nohup\` does not keep SIGHUP away, since Node undoes it; \`setsid\`, \`tmux\` or \`systemd-run\` do.
- Options may stand before or after the command. Booleans may be given as \`--option\`, \`--option=true\` or \`--option=false\`.`;

export const CONFIGURATION = `## Configuration

Every option can be given in three ways, all named mechanically:

| As                                                              | \`stall-limit\` becomes     |
| --------------------------------------------------------------- | ------------------------- |
| flag                                                            | \`--stall-limit 1m\`        |
| environment variable                                            | \`ETCDSAFE_STALL_LIMIT=1m\` |
| key of the YAML file that \`--config\` or \`ETCDSAFE_CONFIG\` names | \`stall-limit: 1m\`         |

Flags beat the environment, and the environment beats the file; a variable of etcdctl counts less than etcdsafe's own. The same holds for two
different options that contradict each other, such as \`--output\` and \`--repository\`, or \`--data-dir\` and \`--members\`, or of which one leaves
the other nothing to do, such as \`--no-spool\` and \`--check-members\`: what was typed counts, and the one in the environment or the file is as if
not given, which a line of the log says. Two of the same origin are refused. \`etcdsafe config show\` tells where each value came from, \`etcdsafe
config validate\` finds all faults at once, also two options of one origin that some command would refuse. An unknown key of the file is a fault, and
so is an \`ETCDSAFE_\` variable that differs from an option's by a slip. Relative paths in the file start from the file's directory. An empty variable
counts as not set.

\`\`\`yaml
repository: /backup
cluster: prod
endpoints: [https://10.0.0.1:2379, https://10.0.0.2:2379, https://10.0.0.3:2379]
cacert: pki/ca.pem
cert: pki/backup.pem
key: pki/backup-key.pem
\`\`\`

### etcdctl's variables

The \`ETCDCTL_\` variables in the table of [all options](#all-options) mean what they mean to etcdctl, and \`ETCDSAFE_\` variables beat them. Two things differ:

- A flag overrides its variable, where etcdctl refuses to run.
- What would silently weaken security is refused. etcdctl speaks plain text to an \`http://\` endpoint even where certificates are given; here that is
  a fault, as is a certificate without its key. \`ETCDCTL_AUTH_JWT_TOKEN\` and \`ETCDCTL_DISCOVERY_SRV\`, which etcdsafe does not understand, are faults
  too, unless a flag, \`ETCDSAFE_\` variable or file says what to use instead.

### Passwords

etcdctl takes a password as \`--password\` or \`--user name:password\`, where every user of the host can read it in the list of processes. etcdsafe refuses
both, and passwords in the configuration file. Give the user with \`--user\` and the password in one of these, the first that is set:

1. \`--password-file\`, a file that holds nothing else;
2. \`ETCDSAFE_PASSWORD\` or \`ETCDSAFE_PASSWORD_FILE\`;
3. \`ETCDCTL_PASSWORD\`;
4. \`password-file\` in the configuration file;
5. \`ETCDCTL_USER\` or \`ETCDSAFE_USER\` as \`name:password\`.

A cluster without quorum cannot check passwords, but it accepts client certificates: backups meant for the worst day log in with \`--cert\` and \`--key\`.`;

export const KINDS: readonly (readonly [kind: string, form: string])[] = [
  ["boolean", "`true`, `false`, and what else Go takes: `1`, `t`, `T`, `TRUE`, `True`, …"],
  ["count", "a whole number"],
  ["duration", "as Go writes it, and days: `30s`, `1m30s`, `1.5h`, `7d`"],
  ["enum", "one of the values listed"],
  ["list", "texts separated by commas; a flag may repeat; in the file a list as well"],
  ["location", "a path or URL without user, password or query"],
  ["path", "a file or directory"],
  ["rate", "bytes per second: `512` (KiB), `10MiB`, `10M` (the same), `10MB` (10,000,000)"],
  ["secret", "only as an environment variable"],
  ["secret-file", "path of a file that holds nothing but the secret"],
  ["string", "text"],
  ["time", "RFC 3339: `2026-11-21T07:00:00Z`, `2026-11-21T08:00:00+01:00`"],
  ["url", "of a server, `http://` or `https://`, without user, password or query"],
];

/** What docs/cli.md says of a command beyond its options. */
export const NOTES: Readonly<Partial<Record<CommandName, string>>> = {
  restore: `### When etcd may be alive

A restore beside a running etcd leaves two clusters that both take writes, or one whose files were pulled away. So before anything is written, and with
\`--plan\`, a restore looks; where it finds a sign of life, it ends with ETCD_MAY_BE_ALIVE and says what it saw, where, and the way out. For locks it looks
once more before the files are put in place.

| Looked at | A sign of life | What it cannot tell |
| --- | --- | --- |
| the database and WAL to be replaced | a lock on any of them, whoever holds it: this host, another container, or, where the file system passes locks on, another host | a file system that keeps locks to itself, as some virtual machines' shared ones do, shows none of other machines |
| peer and named client URLs of the plan | whoever takes a connection there, but for members of the new cluster, restored and started already, and for what does not speak as etcd | a host that does not answer within 3 s: it is down, or the network is |
| URLs of the former cluster's members, by the source, the repository and what is replaced | the same; on this host (\`localhost\`) only that very cluster counts, since the source may come from another host | the same |
| \`/etc/kubernetes/manifests\` | a static pod of etcd, whatever its file's name ends in, unless its directories (by path, and by device and inode) and URLs are all those of another etcd | whether its kubelet runs |
| systemd | etcd, k3s or rke2-server running, or waiting to be restarted, unless its data directory is another one | anything in a container: \`--host-root\` shows the host's manifests there, but not its units |

Where a majority of the former cluster's members answers, plan and refusal say so: its quorum may not be lost then, and nothing has to be restored.

- \`--copy\`: the cluster that the source comes from may live on. Its members are not asked then, and where nothing is replaced, manifests and units do not
  matter. The copy needs URLs and directories of its own, and is not registered in the repository: saves of it need another \`--cluster\` name.
- \`--etcd-is-stopped\`: your word against every sign but a lock, and where locks cannot be looked for: off Linux, or with neither the program flock nor
  /proc/locks. It holds for one run; a saved plan does not carry it.
- \`--cert\` and \`--key\`: members behind TLS say which cluster they are of only to who has a client certificate. Without one, the second of several hosts
  is refused as soon as the first runs again; kubeadm's is \`/etc/kubernetes/pki/etcd/peer.crt\` and \`peer.key\`. The servers' certificates are not checked:
  nothing secret is sent, and who could forge an answer could as well drop it.`,
};
