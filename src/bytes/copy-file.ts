// A file copied by the kernel, or cloned where the file system shares blocks: faster than reading and writing it here, but silent by itself.
import { constants } from "node:fs";
import { chmod, copyFile, stat } from "node:fs/promises";

const POLL_INTERVAL_MS = 200;

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
    await chmod(to, 0o600);
  } finally {
    clearInterval(watch);
  }
}
