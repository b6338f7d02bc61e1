// A directory of finished things outside the checkout. A thing appears whole, by rename, or not at all; the lock beside it only
// saves several processes from making the same thing at once, so that taking over a lock wrongly costs time and nothing else.
import { randomBytes } from "node:crypto";
import { mkdir, open, readdir, rename, rm, stat, utimes } from "node:fs/promises";
import { homedir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { ProvisionError } from "./provision-error.ts";

const HEARTBEAT_MS = 2_000;
/** A lock not touched for this long belongs to a process that is gone. */
const LOCK_STALE_MS = 20_000;
const WAIT_MAX_MS = 20 * 60_000;
/** What a killed process left unfinished is removed after this long. */
const LEFTOVER_MS = 24 * 60 * 60_000;

/** ETCDSAFE_CACHE, else etcdsafe's place in the user's cache directory. */
function cacheDirectory(): string {
  const xdg = process.env["XDG_CACHE_HOME"];
  return process.env["ETCDSAFE_CACHE"] ?? join(xdg === undefined || xdg === "" ? join(homedir(), ".cache") : xdg, "etcdsafe");
}

/** The cached directory `name`, made by `make` (which fills the empty directory it is given) where it does not exist yet. */
export async function cached(name: string, make: (directory: string) => Promise<void>, onWait: () => void): Promise<string> {
  const cache = cacheDirectory();
  const finished = join(cache, name);
  if (await exists(finished)) return finished;
  await mkdir(cache, { recursive: true });
  await removeLeftovers(cache);
  const unlock = await lock(`${finished}.lock`, () => exists(finished), onWait);
  const unfinished = join(cache, `unfinished-${name}-${randomBytes(6).toString("hex")}`);
  try {
    if (await exists(finished)) return finished;
    await mkdir(unfinished);
    await make(unfinished);
    await rename(unfinished, finished).catch(async (error: unknown) => {
      if (!(await exists(finished))) throw error; // Another process was faster after all; what it made is as good.
    });
    return finished;
  } finally {
    await rm(unfinished, { recursive: true, force: true });
    await unlock();
  }
}

/** Takes the lock, or returns without it as soon as `done` says that there is nothing left to do. */
async function lock(path: string, done: () => Promise<boolean>, onWait: () => void): Promise<() => Promise<void>> {
  const giveUpAt = performance.now() + WAIT_MAX_MS;
  for (let waited = false; ; waited = true) {
    const file = await open(path, "wx").catch((error: NodeJS.ErrnoException) => {
      if (error.code === "EEXIST") return undefined;
      throw new ProvisionError(`${path} cannot be written (${error.code}); set ETCDSAFE_CACHE to a directory of yours.`);
    });
    if (file !== undefined) {
      await file.close();
      const heartbeat = setInterval(() => utimes(path, new Date(), new Date()).catch(() => undefined), HEARTBEAT_MS);
      return async () => {
        clearInterval(heartbeat);
        await rm(path, { force: true });
      };
    }
    if (await done()) return async () => undefined;
    const age = await ageMs(path);
    if (age !== undefined && age > LOCK_STALE_MS) await rm(path, { force: true });
    else if (performance.now() > giveUpAt) throw new ProvisionError(`${path} has been held for too long; remove it and try again.`);
    else if (!waited) onWait();
    await sleep(250);
  }
}

async function removeLeftovers(cache: string): Promise<void> {
  for (const name of await readdir(cache)) {
    const age = name.startsWith("unfinished-") ? await ageMs(join(cache, name)) : undefined;
    if (age !== undefined && age > LEFTOVER_MS) await rm(join(cache, name), { recursive: true, force: true });
  }
}

async function ageMs(path: string): Promise<number | undefined> {
  const info = await stat(path).catch(() => undefined);
  return info === undefined ? undefined : Date.now() - info.mtimeMs;
}

async function exists(path: string): Promise<boolean> {
  return (await stat(path).catch(() => undefined)) !== undefined;
}
