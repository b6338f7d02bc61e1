// What a restore does with what is in its targets already: keeps it under another name with --replace, and else refuses. Pure.
import { basename, join } from "node:path";
import { EtcdsafeError } from "../errors.ts";
import { type Owner, type PlannedAccess, planAccess, type RunningUser } from "./access.ts";
import { dataDirEntry, type EntryKind, keptNames, walDirEntry } from "./target-entries.ts";
import type { ExistingMember, TargetFacts } from "./target-facts.ts";

/** What is asked for of all targets. */
export interface TargetsRequest {
  readonly replace: boolean;
  /** What --owner says, if anything. */
  readonly owner: Owner | null;
  readonly user: RunningUser;
  /** Names what is kept. */
  readonly at: Date;
}

/** What is moved out of the way, and where to; paths. */
export interface ReplacedMember {
  /** Null where only a WAL directory of its own holds something. */
  readonly memberDir: string | null;
  readonly keptAs: string | null;
  /** Where the files of a WAL directory of its own go. */
  readonly walKeptAs: string | null;
  readonly databaseSizeBytes: number | null;
  /** The last one in its database; the WAL may hold more. Null where it cannot be read. */
  readonly revision: string | null;
}

export interface PlannedTarget {
  readonly replaces: ReplacedMember | null;
  readonly access: PlannedAccess;
}

/** What becomes of one target; what it cannot be, `requireTarget` says. */
export function planTarget(facts: TargetFacts, { replace, owner, user, at }: TargetsRequest): PlannedTarget {
  return { replaces: replace ? replacedIn(facts, at) : null, access: planAccess(facts, owner, user) };
}

function replacedIn({ dataDir, walDir, member }: TargetFacts, at: Date): ReplacedMember | null {
  const kept = keptNames(at, [...dataDir.names, ...(walDir?.names ?? [])]);
  const walKeptAs = walDir?.names.some((name) => walDirEntry(name) === "replaced") ? join(walDir.path, kept.wal) : null;
  if (member === null && walKeptAs === null) return null;
  return {
    memberDir: member && join(dataDir.path, "member"),
    keptAs: member && join(dataDir.path, kept.member),
    walKeptAs,
    databaseSizeBytes: member?.databaseSizeBytes ?? null,
    revision: member?.revision ?? null,
  };
}

/** Throws TARGET_NOT_EMPTY for what may not be written to. */
export function requireTarget({ dataDir, walDir, member }: TargetFacts, replace: boolean): void {
  const target = { dataDir: dataDir.path, walDir: walDir?.path ?? null };
  requireEntries("data", dataDir.path, dataDir.names, (name) => dataDirEntry(name, target), replace);
  if (walDir !== null) requireEntries("WAL", walDir.path, walDir.names, walDirEntry, replace);
  if (member?.isMount) {
    throw new EtcdsafeError("TARGET_NOT_EMPTY", `${join(dataDir.path, "member")} is a mount of its own, so it cannot be moved out of the way`, {
      hint: "Mount the file system on the data directory, or empty it: what is replaced is kept beside the new one.",
    });
  }
  const [mount] = member?.mounts ?? [];
  if (mount === undefined) return;
  throw new EtcdsafeError(
    "TARGET_NOT_EMPTY",
    `${mount} is a mount of its own: it would go with the old member, and the next boot would mount the old member's files over the new member's`,
    {
      hint: "Unmount it, for good (/etc/fstab, or the unit that mounts it). To keep the log on a disk of its own, mount that beside the data directory and give --wal-dir, to etcd as well; nothing was written.",
    },
  );
}

/** The way on where what is in the way can be replaced. */
export const REPLACE_WAY =
  "Where etcd is stopped and this is to be replaced, add --replace: it is kept beside, under another name. Else name another directory; nothing was written.";

function requireEntries(kind: string, directory: string, names: readonly string[], kindOf: (name: string) => EntryKind, replace: boolean): void {
  for (const name of names) {
    const found = kindOf(name);
    if (found === "unknown" && replace) {
      throw new EtcdsafeError("TARGET_NOT_EMPTY", `the ${kind} directory ${directory} holds "${name}", which is not etcd's`, {
        hint: "Move it away, or name another directory; nothing was written.",
      });
    }
    if (found === "unknown" || (found === "replaced" && !replace)) {
      throw new EtcdsafeError(
        "TARGET_NOT_EMPTY",
        `the ${kind} directory ${directory} is not empty: it holds "${name}"`,
        found === "replaced" ? { hint: REPLACE_WAY } : {},
      );
    }
  }
}

/** What interrupted restores left in a target, which nobody needs. */
export function leftoversIn({ dataDir, walDir }: TargetFacts): string[] {
  const target = { dataDir: dataDir.path, walDir: walDir?.path ?? null };
  const inData = dataDir.names.filter((name) => dataDirEntry(name, target) === "leftover").map((name) => join(dataDir.path, name));
  if (walDir === null) return inData;
  return [...inData, ...walDir.names.filter((name) => walDirEntry(name) === "leftover").map((name) => join(walDir.path, name))];
}

/** What the operator should know before what is there is replaced. */
export function targetWarnings({ dataDir, walDir, member }: TargetFacts, replace: boolean): string[] {
  if (!replace || member === null) return [];
  const links = member.links.filter(({ path }) => walDir === null || basename(path) !== "wal").map(linkWarning);
  if (walDir !== null || member.hasWal) return links;
  return [
    ...links,
    `The member in ${dataDir.path} has no log in member/wal: if its etcd has a --wal-dir, give the same to the restore, so that the new member does not start with the old one's log.`,
  ];
}

function linkWarning({ path, target }: ExistingMember["links"][number]): string {
  const way = basename(path) === "wal" ? ` To keep the log there, give --wal-dir ${target}, to etcd as well.` : "";
  return `${path} is a link to ${target}: the restored member gets a directory of its own there, and what the link leads to stays as it is.${way}`;
}
