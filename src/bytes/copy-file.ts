// A file copied by the kernel, or cloned where the file system shares blocks: faster than reading and writing it here, but silent by itself.
import { constants } from "node:fs";
import { chmod, copyFile, stat } from "node:fs/promises";

const POLL_INTERVAL_MS = 200;
const MODE = 0o600;

/** Has `to`, where nothing is, share the blocks of `from`, for its owner alone. False where that cannot be, and then nothing is there. */
export async function clonePrivately(from: string, to: string): Promise<boolean> {
  try {
    await copyFile(from, to, constants.COPYFILE_FICLONE_FORCE | constants.COPYFILE_EXCL);
  } catch {
    return false; // Whatever else is wrong with either file, a copy meets it as well.
  }
  await chmod(to, MODE);
  return true;
}

/** Copies `from` to `to`, replacing it, for its owner alone. Cannot be interrupted. `onBytes` is told now and then how much of it there is. */
export async function copyPrivately(from: string, to: string, onBytes: (doneBytes: number) => void): Promise<void> {
  const watch = setInterval(() => {
    stat(to).then(
      ({ size }) => onBytes(size),
      () => undefined, // Not created yet.
    );
  }, POLL_INTERVAL_MS);
  try {
    await copyFile(from, to, constants.COPYFILE_FICLONE);
    // It took the modes of the original, which may not even be writable.
    await chmod(to, MODE);
  } finally {
    clearInterval(watch);
  }
}
