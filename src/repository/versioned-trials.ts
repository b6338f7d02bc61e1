// What stores that keep versions, or lock them, do besides. A store need not; one that says it does is held to it.
import { collect, streamOf } from "../bytes/stream.ts";
import { EtcdsafeError } from "../errors.ts";
import type { ObjectVersion } from "../storage/capabilities.ts";
import { type LockPolicy, mayBeDenied, versionLocker } from "./object-lock.ts";
import { fails, type Outcome, type TrialRun, works } from "./trial-run.ts";

/** A version that was locked for a trial is gone soon, whatever retention is configured. */
const TRIAL_RETENTION_MS = 60_000;

const NO_VERSIONS: Outcome = { outcome: "absent", detail: "no versions are kept: what is overwritten or deleted there is gone, and --as-of shows nothing" };

/** Stores tell whole seconds, and may take the time twice for one put, just before and just after a second begins: off by one at most. */
const SECOND_OFF_MS = 1_000;
/** After this, they have told one that is off by more. */
const CLOCK_STEP_MS = 2 * SECOND_OFF_MS + 100;

/** Whether what was overwritten can be read: `--as-of`. */
export async function tryVersions(run: TrialRun): Promise<void> {
  const { storage, options } = run;
  const { versions } = storage;
  await run.try("versions", "past", async () => {
    if (versions === undefined) return NO_VERSIONS;
    // Who may list versions may not be allowed to ask that: then the list tells.
    const isEnabled = await mayBeDenied(() => versions.isEnabled(options));
    if (isEnabled === false) return NO_VERSIONS;
    const key = run.key("versions");
    const { modifiedAt } = await storage.put(key, streamOf(Buffer.from("first")), options);
    await options.runtime.sleep(CLOCK_STEP_MS, options.signal);
    await storage.put(key, streamOf(Buffer.from("second")), options);
    await mayBeDenied(() => storage.remove(key, options)); // That it was overwritten shows as much.
    const found: ObjectVersion[] = [];
    for await (const version of versions.list(key, options)) if (version.key === key && !version.isDeleteMarker) found.push(version);
    if (isEnabled === "denied" && found.length < 2) return NO_VERSIONS;
    const oldest = found.at(-1);
    if (oldest === undefined || found.length < 2) return fails(`${found.length} versions are listed of an object that was written twice`);
    if (Math.abs(oldest.modifiedAt.getTime() - modifiedAt.getTime()) > SECOND_OFF_MS)
      return fails("the store tells of an older version another time than when it was written: --as-of would show the wrong ones");
    const text = Buffer.from(await collect(versions.read(key, oldest.versionId, options), 100, tooLong)).toString();
    return text === "first"
      ? works("what is overwritten or deleted can be read: --as-of")
      : fails("an older version came back with other bytes than were stored");
  });
}

/** Whether the store locks by itself what etcdsafe rewrites. */
export async function tryRetention(run: TrialRun, holdsState: boolean): Promise<void> {
  const { storage, options } = run;
  const neededFor = holdsState ? "removal" : "nothing";
  const asked = mayBeDenied(async () => storage.locks?.defaults(options));
  if ((await asked.catch(() => undefined)) === "denied") {
    const detail = "whether the store locks versions by itself may not be asked; if it does, give --state-url";
    await run.try("retention", neededFor, async () => ({ outcome: "not-tried", detail }));
    return;
  }
  await run.try("retention", neededFor, async () => {
    const defaults = await asked;
    if (defaults === undefined || defaults === "denied") return works("versions are not locked by the store");
    const { retention } = defaults;
    if (retention === undefined) return works("versions can be locked, and are not unless that is asked for");
    const text = `every new version is locked for ${retention.days === 1 ? "a day" : `${retention.days} days`} (${retention.mode})`;
    return holdsState ? fails(`${text}, also of the objects that are rewritten all the time: keep those elsewhere, with --state-url`) : works(text);
  });
}

/** Whether versions can be locked as the options say. What is locked for it stays for a minute. */
export async function tryLock(run: TrialRun, { retention, legalHold }: LockPolicy): Promise<void> {
  const { storage, options } = run;
  await run.try("lock", "everything", async () => {
    const brief = retention && { ...retention, retainForMs: Math.min(retention.retainForMs, TRIAL_RETENTION_MS) };
    const lock = await versionLocker(storage, { retention: brief, legalHold }, options);
    const info = await storage.put(run.key("locked"), streamOf(Buffer.from("locked")), options);
    await lock(info, options);
    // A save does not ask, and so need not be allowed to.
    const state = await mayBeDenied(async () => storage.locks?.state(info.key, info.versionId ?? "", options));
    if (legalHold) await storage.locks?.lock(info.key, info.versionId ?? "", { legalHold: false }, options);
    if (state === "denied") return works("versions can be locked, as far as the store says: whether they are may not be asked");
    if (retention !== undefined && state?.retention?.mode !== retention.mode) return fails("a version was locked, and the store says that it is not");
    if (legalHold && state?.legalHold !== true) return fails("a version was put on legal hold, and the store says that it is not");
    return works("versions can be locked; the one that was locked for this is free within a minute");
  });
}

function tooLong(): EtcdsafeError {
  return new EtcdsafeError("OBJECT_CORRUPT", "more bytes came back than were stored");
}
