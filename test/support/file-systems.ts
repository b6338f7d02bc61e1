// The command line on file systems that are full or read-only: mounted where only the child sees them, gone when it ends.
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { type CliOptions, runCli } from "./cli.ts";
import type { CommandResult } from "./command.ts";
import { temporaryDirectory } from "./temporary-directory.ts";

/** `sizeBytes`: an empty file system of this size lies over the directory. `readOnly`: the directory's own content cannot be changed. */
export type Mount = { readonly directory: string; readonly sizeBytes: number } | { readonly directory: string; readonly readOnly: true };

export interface MountedResult extends CommandResult {
  /** Everything below the directory when the command had ended, as paths relative to it. */
  readonly left: readonly string[];
}

const LIMITED = 'mount -t tmpfs -o "size=$1" tmpfs "$2"';
const READ_ONLY = 'mount --bind "$2" "$2" && mount -o remount,bind,ro,nosuid,nodev "$2"';

/** Runs `etcdsafe ...args` with the directory, which exists, mounted as said. Throws one line that says what is needed where that is not allowed. */
export async function runCliMounted(mount: Mount, args: readonly string[], options: CliOptions = {}): Promise<MountedResult> {
  await using scratch = await temporaryDirectory("mount");
  const listing = join(scratch.path, "left");
  const script = `${"readOnly" in mount ? READ_ONLY : LIMITED} || exit
directory=$2 listing=$3; shift 3; "$@"; code=$?; cd "$directory" && find . -mindepth 1 > "$listing"; exit $code`;
  const asRoot = process.getuid?.() === 0 ? [] : ["--map-root-user"];
  const sizeBytes = "readOnly" in mount ? "" : String(mount.sizeBytes);
  const startedBy = ["unshare", "--mount", ...asRoot, "--", "sh", "-c", script, "sh", sizeBytes, mount.directory, listing];
  const result = await runCli(args, { ...options, startedBy }).catch((error: NodeJS.ErrnoException) => {
    throw error.code === "ENOENT" ? cannotMount(error.message) : error;
  });
  const left = await readFile(listing, "utf8").catch(() => undefined);
  if (left === undefined) throw cannotMount(result.stderr.trim());
  const paths = left.split("\n").filter((path) => path !== "");
  return { ...result, left: paths.map((path) => path.slice("./".length)).sort() };
}

function cannotMount(why: string): Error {
  return new Error(`tests of full and read-only file systems mount some of their own: run them on Linux, as root or where users may unshare (${why})`);
}
