// Everything that can go wrong, in one table: code → exit code of the command line, whether trying again can help, and what to do next.
// docs/errors.md is generated from it; the meaning of the exit codes is in docs/cli.md.

interface ErrorKind {
  /** Exit code of the command line (docs/cli.md). */
  readonly exit: number;
  /** Whether the same call may succeed later without anyone changing anything. */
  readonly retryable: boolean;
  /** What to do next, unless the place that raises the error knows better. */
  readonly hint: string;
}

/** The closed set of error codes. A code is never renamed or reused once released. */
export const ERRORS = {
  // Usage and configuration
  USAGE: { exit: 2, retryable: false, hint: "`etcdsafe --help` shows the commands, and with a command in front of it that one's options." },
  CONFIG_INVALID: { exit: 2, retryable: false, hint: "`etcdsafe config show` tells where each value comes from." },
  MEMBERS_INVALID: { exit: 2, retryable: false, hint: "Give every member once, as name=peer URL, and name this one with --name." },
  TOKEN_REQUIRED: {
    exit: 2,
    retryable: false,
    hint: "Give every member's restore the same --initial-cluster-token, or write all of them in one run with --members FILE --all-members.",
  },
  TOKEN_USED: {
    exit: 2,
    retryable: false,
    hint: "Leave --initial-cluster-token (and `token` in the members file) out where one run writes or plans all members, or give one that was never used: members of the cluster that had it would join the restored one, and mix its data with theirs.",
  },
  BACKUP_AMBIGUOUS: { exit: 2, retryable: false, hint: "Give more of the backup's id; `etcdsafe list` shows them." },

  // The live etcd
  ETCD_UNREACHABLE: { exit: 4, retryable: true, hint: "Check --endpoints, the network, and that etcd runs." },
  ETCD_TLS_FAILED: { exit: 4, retryable: false, hint: "Check --cacert against the certificate authority that signed etcd's server certificate." },
  ETCD_CLIENT_CERT_REQUIRED: { exit: 4, retryable: false, hint: "Give --cert and --key of a client certificate that etcd's --trusted-ca-file accepts." },
  ETCD_AUTH_FAILED: { exit: 4, retryable: false, hint: "Check --user and --password-file." },
  ETCD_PERMISSION_DENIED: { exit: 4, retryable: false, hint: "Snapshots and HashKV need a user with the role root." },
  ETCD_NO_QUORUM: {
    exit: 4,
    retryable: true,
    hint: "Start members until a majority runs. Password logins need a quorum too; a client certificate gets in without one.",
  },
  ETCD_LEARNER_ONLY: { exit: 4, retryable: true, hint: "A learner may lag without anyone noticing; name a voting member in --endpoints, or promote it." },
  ETCD_MEMBER_STALE: { exit: 4, retryable: true, hint: "The member lags behind its cluster; wait, or save from another one." },
  ETCD_STREAM_CUT: { exit: 4, retryable: true, hint: "The member or the network dropped the snapshot stream; nothing was published. Run it again." },
  ETCD_STREAM_STALLED: { exit: 4, retryable: true, hint: "Nothing was published. Look at the network and at the receiver's speed, or raise --stall-limit." },
  ETCD_REQUEST_FAILED: { exit: 4, retryable: true, hint: "etcd's own log says more." },
  MEMBER_IN_MINORITY: {
    exit: 6,
    retryable: false,
    hint: "The members hold different data. Do not restart or compact anything before the differing member is known: `etcdctl endpoint hashkv --cluster --rev N`, with the smallest revision that `etcdctl endpoint status --cluster -w json` shows. With every member in --endpoints, and without --member, a save takes one that a majority agrees with.",
  },
  MEMBERS_DISAGREE: {
    exit: 6,
    retryable: false,
    hint: "Nobody can tell whose data is right. Start the members that are down, so that a majority can, and save again; until then do not restart or compact the others.",
  },

  // Repository and storage
  STORAGE_UNREACHABLE: { exit: 5, retryable: true, hint: "Check the repository's URL, the mount or the network." },
  STORAGE_TLS_FAILED: { exit: 5, retryable: false, hint: "Check the endpoint, and --storage-ca: the certificate authority that signed its certificate." },
  STORAGE_DENIED: { exit: 5, retryable: false, hint: "The user that runs etcdsafe needs to read and write there." },
  STORAGE_THROTTLED: { exit: 5, retryable: true, hint: "The store asks for fewer requests; try later, or have its limit raised." },
  STORAGE_FULL: { exit: 5, retryable: false, hint: "Free space in the repository's store; what was being written was not published." },
  STORAGE_NOT_FOUND: { exit: 8, retryable: false, hint: "`etcdsafe verify --all --level stored-bytes` finds backups whose objects are missing." },
  STORAGE_CONFLICT: { exit: 7, retryable: true, hint: "Somebody else wrote the same object; run it again." },
  STORAGE_READ_ONLY: { exit: 9, retryable: false, hint: "The repository was opened for reading only." },
  WRITER_LOCKED: {
    exit: 7,
    retryable: true,
    hint: "Wait until it has ended; one that died loses its lease by itself.",
  },
  WRITER_LEASE_LOST: {
    exit: 7,
    retryable: true,
    hint: "Another process may be at the same work; what this one had not published it did not publish. Run it again.",
  },
  REPOSITORY_NOT_FOUND: { exit: 8, retryable: false, hint: "Check --repository; the first `etcdsafe save` or `etcdsafe repo init` creates one." },
  REPOSITORY_NOT_EMPTY: {
    exit: 9,
    retryable: false,
    hint: "Name an empty or new directory, or prefix. If a repository was there, it lacks its etcdsafe-repository.json: put that back, or copy one there that `etcdsafe repo init` makes in an empty directory.",
  },
  REPOSITORY_INVALID: { exit: 6, retryable: false, hint: "docs/repository-format.md says what belongs there." },
  REPOSITORY_UNSUPPORTED: { exit: 2, retryable: false, hint: "A newer etcdsafe wrote it; update this one." },
  CLUSTER_MISMATCH: {
    exit: 9,
    retryable: false,
    hint: "Give this cluster a --cluster name of its own, or, if it really is the successor, run `etcdsafe repo adopt`.",
  },
  CLUSTER_NOT_FOUND: {
    exit: 8,
    retryable: false,
    hint: "Check --cluster; `etcdsafe list --all-clusters` shows the names, and the first save binds a new one.",
  },
  CLOCK_DIFFERS: {
    exit: 9,
    retryable: false,
    hint: "Set this host's clock by NTP, or the store's if that is wrong. Nothing was removed.",
  },
  PRUNE_TOO_MUCH: {
    exit: 9,
    retryable: false,
    hint: "Look at the plan with `etcdsafe prune --plan`, and give --yes-remove with as many. Nothing was removed.",
  },
  BACKUP_NOT_FOUND: { exit: 8, retryable: false, hint: "`etcdsafe list` shows what there is." },
  MANIFEST_INVALID: { exit: 6, retryable: false, hint: "The backup's manifest cannot be trusted; use another backup." },
  OBJECT_TRUNCATED: { exit: 6, retryable: false, hint: "The stored object ends too early; use another backup." },
  OBJECT_CORRUPT: { exit: 6, retryable: false, hint: "The stored object was changed after it was written; use another backup." },

  // Encryption and signatures
  ENCRYPTION_REQUIRED: {
    exit: 9,
    retryable: false,
    hint: "Give --recipient or --passphrase-file; snapshots hold every Secret of the cluster. Nothing was written.",
  },
  DECRYPTION_KEY_MISSING: { exit: 10, retryable: false, hint: "`etcdsafe show` tells to whom it is encrypted: give --identity-file or --passphrase-file." },
  DECRYPTION_FAILED: { exit: 10, retryable: false, hint: "`etcdsafe show` tells to whom it is encrypted: give one of those identities, or that passphrase." },
  SIGNATURE_REQUIRED: {
    exit: 9,
    retryable: false,
    hint: "Give --sign-key-file; or type --unsigned to store it without a signature. Nothing was written.",
  },
  MANIFEST_UNTRUSTED: {
    exit: 6,
    retryable: false,
    hint: "Whoever can write to the store may have made this backup; use another one. One that was saved without --sign-key-file is shown only without --trusted-key.",
  },

  // Bundles
  PLAINTEXT_SECRETS: {
    exit: 9,
    retryable: false,
    hint: "Encrypt the backup, or say --allow-plaintext-secrets where nobody else can read the repository. Nothing was saved.",
  },
  BUNDLE_NOT_FOUND: {
    exit: 8,
    retryable: false,
    hint: "`etcdsafe show` tells whether a backup has a bundle; restore without --bundle-dir, or another backup.",
  },
  BUNDLE_INVALID: { exit: 6, retryable: false, hint: "Nothing of the bundle was unpacked. The snapshot can be restored without --bundle-dir." },

  // Snapshot files
  SNAPSHOT_EMPTY: { exit: 6, retryable: false, hint: "Fetch the file again; look at whatever was meant to fill it." },
  SNAPSHOT_NOT_A_DATABASE: { exit: 6, retryable: false, hint: "`etcdsafe inspect FILE` says what the file is." },
  SNAPSHOT_PACKED: { exit: 6, retryable: false, hint: "Unpack it first." },
  SNAPSHOT_TRUNCATED: { exit: 6, retryable: false, hint: "Fetch the file again." },
  SNAPSHOT_HASH_MISSING: {
    exit: 6,
    retryable: false,
    hint: "A file copied from member/snap/db has no hash; --skip-hash-check restores it after the structure check.",
  },
  SNAPSHOT_HASH_MISMATCH: { exit: 6, retryable: false, hint: "The bytes are not the ones etcd sent. Use another backup." },
  SNAPSHOT_DAMAGED: { exit: 6, retryable: false, hint: "`etcdsafe verify FILE` lists every finding. Use another backup." },

  // etcd's files
  BBOLT_META_INVALID: { exit: 6, retryable: false, hint: "`etcdsafe inspect FILE` says what the file is." },
  BBOLT_PAGE_INVALID: { exit: 6, retryable: false, hint: "`etcdsafe verify FILE` lists every finding." },
  BBOLT_ROW_INVALID: { exit: 6, retryable: false, hint: "`etcdsafe verify FILE` lists every finding." },
  PROTO_INVALID: { exit: 6, retryable: false, hint: "`etcdsafe verify FILE` lists every finding." },
  WAL_TORN: { exit: 6, retryable: false, hint: "The last record was cut short, as after a power loss; the records before it are good." },
  WAL_CORRUPT: { exit: 6, retryable: false, hint: "A record in the middle of the log was changed; the records before it are good." },
  WAL_RECORD_TOO_LONG: { exit: 6, retryable: false, hint: "The log's length fields cannot be trusted from there on." },
  RAFT_SNAPSHOT_INVALID: { exit: 6, retryable: false, hint: "Use another .snap file, or restore from a backup, which writes a new one." },

  // Restore
  TARGET_NOT_EMPTY: { exit: 9, retryable: false, hint: "Name a directory that does not exist or is empty; nothing was written." },
  PLAN_MISMATCH: {
    exit: 9,
    retryable: false,
    hint: "Put back what has changed, or plan again and use the new plan on every host; nothing was written.",
  },
  ETCD_MAY_BE_ALIVE: {
    exit: 9,
    retryable: false,
    hint: "Stop etcd on every host, or say --copy for a cluster that is to live beside it; what was seen says more. Nothing was written.",
  },
  TARGET_NO_SPACE: { exit: 1, retryable: false, hint: "Free space on the target's file system, or restore elsewhere; nothing was kept there." },
  VERSION_UNSUPPORTED: { exit: 9, retryable: false, hint: "Restore for the etcd that wrote the source, or with a newer etcdsafe; nothing was written." },
  WAL_NOT_APPLIED: {
    exit: 9,
    retryable: false,
    hint:
      "Where a quorum is left, start the member with its own data directory, and save. Where none is, start a copy of that directory alone with " +
      "--force-new-cluster, save from it with --output, and restore that file: docs/disaster.md, “One directory is left”. Or give --ignore-wal to go without " +
      "what only the log holds. Nothing was written.",
  },
  OWNER_NOT_PERMITTED: {
    exit: 9,
    retryable: false,
    hint: "Run it as root, or as the user that etcd runs as; nothing was written. --owner UID:GID says whose the files shall be.",
  },
  RESTORE_UNFINISHED: {
    exit: 9,
    retryable: false,
    hint: "Run the same command again once the reason is gone: it finishes the restore, or undoes it. Until then no etcd starts there, and nothing was deleted.",
  },
  SELF_CHECK_FAILED: { exit: 6, retryable: false, hint: "What was written differs from what was computed: suspect memory or disk. Nothing was put in place." },

  // What a run tells others
  REPORT_FAILED: { exit: 1, retryable: true, hint: "What the run itself did stands. Check the URL, the network on the way, and the service behind it." },

  // The agent
  AGENT_UNHEALTHY: {
    exit: 1,
    retryable: true,
    hint: "Its log says what it does, or why it ended. It is asked where --listen and --listen-cert say, which have to be the agent's own.",
  },

  // This host
  SPOOL_NO_SPACE: { exit: 1, retryable: false, hint: "Free space, or give --spool-dir on a larger file system; `save --no-spool` needs none." },
  FILE_NOT_FOUND: { exit: 8, retryable: false, hint: "Check the path." },
  FILE_FAILED: { exit: 1, retryable: false, hint: "Check the path and its permissions." },
  DEADLINE_EXCEEDED: { exit: 1, retryable: true, hint: "Allow more time, or look at what takes so long; nothing half done was left." },
  INTERRUPTED: { exit: 130, retryable: true, hint: "Nothing half done is listed; run it again." },
  INTERNAL: { exit: 1, retryable: false, hint: "This is a fault of etcdsafe; please report it with the command and its version." },
} as const satisfies Record<string, ErrorKind>;

export type ErrorCode = keyof typeof ERRORS;

/** An error an operator can act on: what failed, on what and why (`message`), what to do next (`hint`), and a stable `code`. */
export class EtcdsafeError extends Error {
  readonly code: ErrorCode;
  readonly hint: string;

  constructor(code: ErrorCode, message: string, details: { readonly hint?: string; readonly cause?: unknown } = {}) {
    super(message, details.cause === undefined ? {} : { cause: details.cause });
    this.name = "EtcdsafeError";
    this.code = code;
    this.hint = details.hint ?? ERRORS[code].hint;
  }
}

/** Whether something that was thrown is an error with this code. */
export function hasCode(error: unknown, code: ErrorCode): error is EtcdsafeError {
  return error instanceof EtcdsafeError && error.code === code;
}

/** A fault in a file of a known format, with the byte it was found at. `offset` counts from the start of the file or buffer being read. */
export class FormatError extends EtcdsafeError {
  readonly offset: number;
  /** The message without the offset. */
  readonly what: string;

  constructor(code: ErrorCode, what: string, offset: number, details: { readonly hint?: string; readonly cause?: unknown } = {}) {
    super(code, `${what} at byte ${offset}`, details);
    this.name = "FormatError";
    this.offset = offset;
    this.what = what;
  }
}

/** The same error as `reason`, with what is left of what was being done; `reason` itself where it is none of the table. */
export function stoppedWith(reason: unknown, hint: string): unknown {
  return reason instanceof EtcdsafeError ? new EtcdsafeError(reason.code, reason.message, { hint, cause: reason }) : reason;
}

/** Whether it is such an error: then it is not to be replaced by the bare reason. */
export function saysWhatIsLeft(error: unknown): error is EtcdsafeError {
  return error instanceof EtcdsafeError && error.cause instanceof EtcdsafeError && error.cause.code === error.code && error.cause.message === error.message;
}

/** What to fail with where this was thrown after the abort: whatever failed then failed because of it. */
export function whyStopped(error: unknown, { reason }: AbortSignal): unknown {
  return saysWhatIsLeft(error) ? error : reason;
}
