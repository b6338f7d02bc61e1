// The prose of docs/cli.md that belongs to no single command.

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
- **SIGINT and SIGTERM** stop a command and clean up; a second one ends it at once. Neither leaves a half backup that is ever listed, nor half a restore.
- Options may stand before or after the command. Booleans may be given as \`--option\`, \`--option=true\` or \`--option=false\`.`;

export const CONFIGURATION = `## Configuration

Every option can be given in three ways, all named mechanically:

| As                                                              | \`stall-limit\` becomes     |
| --------------------------------------------------------------- | ------------------------- |
| flag                                                            | \`--stall-limit 1m\`        |
| environment variable                                            | \`ETCDSAFE_STALL_LIMIT=1m\` |
| key of the YAML file that \`--config\` or \`ETCDSAFE_CONFIG\` names | \`stall-limit: 1m\`         |

Flags beat the environment, and the environment beats the file. \`etcdsafe config show\` tells where each value came from, \`etcdsafe config validate\`
finds all faults at once. An unknown key of the file is a fault, and so is an \`ETCDSAFE_\` variable that differs from an option's by a slip. Relative
paths in the file start from the file's directory. An empty variable counts as not set.

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
  ["duration", "as Go writes it, and days: `30s`, `1m30s`, `1.5h`, `7d`"],
  ["enum", "one of the values listed"],
  ["list", "texts separated by commas; a flag may repeat; in the file a list as well"],
  ["location", "a path or URL without user, password or query"],
  ["path", "a file or directory"],
  ["secret", "only as an environment variable"],
  ["secret-file", "path of a file that holds nothing but the secret"],
  ["string", "text"],
];
