// Gives staged files the owner, mode and SELinux label that they are to have, durably, before they come into place.
import { execFile } from "node:child_process";
import { chmod, chown, readdir, stat } from "node:fs/promises";
import { dirname, join } from "node:path";
import { promisify } from "node:util";
import { syncDirectory } from "../bytes/files.ts";
import { EtcdsafeError } from "../errors.ts";
import type { PlannedAccess } from "./access.ts";
import type { ReplacedMember } from "./replace.ts";
import type { StagedMember } from "./stage.ts";
import type { FileAccess } from "./target-facts.ts";

const run = promisify(execFile);
const TOOL_LIMIT_MS = 10_000;

/** Throws the file system's errors, and FILE_FAILED for a label that cannot be set. */
export async function grantAccess(stage: StagedMember, access: PlannedAccess, replaces: ReplacedMember | null): Promise<void> {
  const labelled = await copyLabels(stage, replaces);
  for (const [path, wanted] of await stagedPaths(stage, access)) {
    const isChanged = await setAccess(path, wanted);
    if (isChanged || labelled) await syncDirectory(path); // The same call for a file: its content is synced already, and what it belongs to is not.
  }
}

async function stagedPaths(stage: StagedMember, access: PlannedAccess): Promise<[string, FileAccess][]> {
  const raftSnapshots = (await readdir(stage.snapDir)).filter((name) => name.endsWith(".snap"));
  return [
    [stage.databasePath, access.database],
    ...raftSnapshots.map((name): [string, FileAccess] => [join(stage.snapDir, name), access.snapFile]),
    [stage.walPath, access.walFile],
    [stage.snapDir, access.snap],
    ...(stage.walDir === undefined ? [[dirname(stage.walPath), access.wal] as [string, FileAccess]] : []),
    [stage.stageDir, access.member],
    ...stage.created.map((path): [string, FileAccess] => [path, access.directory]),
  ];
}

async function setAccess(path: string, wanted: FileAccess): Promise<boolean> {
  const found = await stat(path);
  const mode = Number.parseInt(wanted.mode, 8);
  const isOwned = found.uid === wanted.uid && found.gid === wanted.gid;
  if (!isOwned) await chown(path, wanted.uid, wanted.gid);
  const isMode = (found.mode & 0o7777) === mode;
  if (!isMode) await chmod(path, mode);
  return !isOwned || !isMode;
}

/** Those of what is replaced. Where nothing is, the kernel gives new files the label that the directory's own suggests. */
async function copyLabels(stage: StagedMember, replaces: ReplacedMember | null): Promise<boolean> {
  const fromMember = replaces?.memberDir && (await copyLabel(replaces.memberDir, stage.stageDir));
  const fromWal = replaces?.walKeptAs && stage.walDir !== undefined && (await copyLabel(stage.walDir, stage.walPath));
  return Boolean(fromMember || fromWal);
}

/** False where `from` has no label. GNU `stat` prints a question mark then, and other systems have neither label nor option. */
async function copyLabel(from: string, to: string): Promise<boolean> {
  const label = await run("stat", ["-c", "%C", from], { timeout: TOOL_LIMIT_MS }).then(
    ({ stdout }) => stdout.trim(),
    () => "?",
  );
  if (label === "?" || label === "") return false;
  try {
    await run("chcon", ["-R", `--reference=${from}`, to], { timeout: TOOL_LIMIT_MS });
    return true;
  } catch (cause) {
    throw new EtcdsafeError(
      "FILE_FAILED",
      `cannot give ${to} the SELinux label of ${from} (${label}), without which etcd may not read it: ${(cause as { stderr?: string }).stderr?.trim() || (cause as Error).message}`,
      {
        cause,
      },
    );
  }
}
