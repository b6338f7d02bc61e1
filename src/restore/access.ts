// Who may use the restored files: as what they replace, or as --owner says. A member that its etcd may not write to does not start
// (etcd-formats §8.11). Pure.
import { EtcdsafeError } from "../errors.ts";
import type { FileAccess, TargetFacts } from "./target-facts.ts";

/** etcdserver/api/snap and wal create their directories and files for the owner alone; etcd warns about anything wider. */
const DIRECTORY_MODE = "0700";
const FILE_MODE = "0600";

export interface Owner {
  readonly uid: number;
  readonly gid: number;
}

/** The user that this process runs as. */
export interface RunningUser extends Owner {
  /** All groups that it is in. */
  readonly groups: readonly number[];
}

/** Of everything that a restore writes for one member. */
export interface PlannedAccess {
  /** Where the owner comes from: what is replaced, --owner, the data directory that is there, or who runs the restore. */
  readonly from: "replaced" | "owner-option" | "data-directory" | "running-user";
  /** Of directories that have to be made; with --owner the data and WAL directory that are there get the owner, and keep their mode. */
  readonly directory: FileAccess;
  readonly member: FileAccess;
  readonly snap: FileAccess;
  readonly wal: FileAccess;
  readonly database: FileAccess;
  readonly walFile: FileAccess;
  readonly snapFile: FileAccess;
}

/** `owner`: what --owner says, if anything. Modes are those of what is replaced, and else as etcd makes its files. */
export function planAccess({ dataDir, member }: TargetFacts, owner: Owner | null, user: RunningUser): PlannedAccess {
  const replaced = member?.access;
  const base = owner ?? replaced?.member ?? dataDir.access ?? user;
  const like = (kind: keyof NonNullable<typeof replaced>, mode: string): FileAccess => {
    const found = replaced?.[kind];
    return { ...ids(owner ?? found ?? base), mode: found?.mode ?? mode };
  };
  return {
    from: owner !== null ? "owner-option" : replaced?.member !== undefined ? "replaced" : dataDir.access !== null ? "data-directory" : "running-user",
    directory: { ...ids(base), mode: DIRECTORY_MODE },
    member: like("member", DIRECTORY_MODE),
    snap: like("snap", DIRECTORY_MODE),
    wal: like("wal", DIRECTORY_MODE),
    database: like("database", FILE_MODE),
    walFile: like("walFile", FILE_MODE),
    snapFile: like("snapFile", replaced?.database?.mode ?? FILE_MODE),
  };
}

/** Throws OWNER_NOT_PERMITTED: only root may give files to others. */
export function requirePermittedAccess({ from, ...access }: PlannedAccess, where: string, user: RunningUser): void {
  if (user.uid === 0) return;
  const foreign = Object.values(access).find(({ uid, gid }) => uid !== user.uid || (gid !== user.gid && !user.groups.includes(gid)));
  if (foreign === undefined) return;
  throw new EtcdsafeError(
    "OWNER_NOT_PERMITTED",
    `the files in ${where} are to belong to ${ownerText(foreign)}, ${WHY[from]}, but this runs as ${ownerText(user)}, who may not give files away`,
  );
}

const WHY: Readonly<Record<PlannedAccess["from"], string>> = {
  replaced: "as those that they replace do",
  "owner-option": "as --owner says",
  "data-directory": "as the directory does",
  "running-user": "who runs the restore",
};

/** As --owner takes it. */
export function ownerText({ uid, gid }: Owner): string {
  return `${uid}:${gid}`;
}

function ids({ uid, gid }: Owner): Owner {
  return { uid, gid };
}
