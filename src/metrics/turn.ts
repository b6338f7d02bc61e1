// One writer of a file after the other, by a lock file beside it. It only saves the updates of writers that come at the same moment: whoever reads the file
// finds it whole without that. So the lock of a writer that died is passed over soon, and a wrong guess costs one update and nothing else.
import { open, stat, unlink } from "node:fs/promises";
import type { CallOptions, Runtime } from "../runtime.ts";

export interface TurnOptions extends CallOptions {
  readonly runtime: Pick<Runtime, "sleep">;
}

const LOOK_EVERY_MS = 20;
/** A turn takes milliseconds, or as long as the disk is busy: the writer of a lock that stays the same for so many looks, 5 s, is gone. */
const LOOKS_MAX = 250;

/** Rejects with what the file system says, and with the signal's reason. */
export async function inTurn<T>(path: string, { signal, runtime }: TurnOptions, work: () => Promise<T>): Promise<T> {
  const lockPath = `${path}.lock`;
  let seen: string | undefined;
  for (let looks = 0; ; looks++) {
    signal.throwIfAborted();
    const lock = await open(lockPath, "wx").catch((error: NodeJS.ErrnoException) => {
      if (error.code !== "EEXIST") throw error;
    });
    if (lock !== undefined) {
      const own = identity(await lock.stat({ bigint: true }));
      await lock.close();
      try {
        return await work();
      } finally {
        if ((await identityAt(lockPath)) === own) await unlink(lockPath).catch(() => undefined);
      }
    }
    const there = await identityAt(lockPath);
    if (there !== seen) looks = 0;
    seen = there;
    if (there !== undefined && looks >= LOOKS_MAX) await unlinkUnlessGone(lockPath);
    else await runtime.sleep(LOOK_EVERY_MS, signal);
  }
}

async function unlinkUnlessGone(path: string): Promise<void> {
  await unlink(path).catch((error: NodeJS.ErrnoException) => {
    if (error.code !== "ENOENT") throw error;
  });
}

function identityAt(path: string): Promise<string | undefined> {
  return stat(path, { bigint: true }).then(identity, () => undefined);
}

/** An inode's number is given anew at once. */
function identity({ ino, ctimeNs }: { readonly ino: bigint; readonly ctimeNs: bigint }): string {
  return `${ino} ${ctimeNs}`;
}
