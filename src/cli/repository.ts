// The repository that a command's options name.
import { throwFaults } from "../config/config-error.ts";
import { originText } from "../config/origin.ts";
import { readStorageSettings } from "../config/storage-settings.ts";
import { EtcdsafeError } from "../errors.ts";
import type { LockPolicy } from "../repository/object-lock.ts";
import type { Author, Repository } from "../repository/repository.ts";
import type { Storage } from "../storage/storage.ts";
import type { Invocation } from "./command.ts";
import { trustedOnly } from "./protection.ts";
import { version } from "./version.ts";

/**
 * For commands that only look: nothing can be changed through it. With --as-of, as it was then. The state may be lost, or out of reach. Throws
 * REPOSITORY_NOT_FOUND where there is no repository.
 */
export function openForReading(invocation: Invocation): Promise<Repository> {
  return openReadOnly(invocation, { isStateNeeded: false });
}

/** The same, for commands that have nothing of their own to say where the state is not the repository's: that is a warning. */
export async function openForShowing(invocation: Invocation): Promise<Repository> {
  return warnedOfState(await openForReading(invocation), invocation);
}

/** For commands that judge by who is at work, and change nothing. Throws what looking at the state does. */
export function openForJudging(invocation: Invocation): Promise<Repository> {
  return openReadOnly(invocation, { isStateNeeded: true });
}

async function openReadOnly(invocation: Invocation, needs: { readonly isStateNeeded: boolean }): Promise<Repository> {
  const { openRepository } = await import("../repository/repository.ts");
  return openRepository(await openReadOnlyStore(invocation, needs), { signal: invocation.signal, time: timeOf(invocation) });
}

/** What openForReading looks at, a repository or not. */
export function openStorageForReading(invocation: Invocation): Promise<Storage> {
  return openReadOnlyStore(invocation, { isStateNeeded: false });
}

async function openReadOnlyStore(invocation: Invocation, { isStateNeeded }: { readonly isStateNeeded: boolean }): Promise<Storage> {
  const { readOnly } = await import("../storage/read-only.ts");
  return readOnly(await openStore(invocation, { time: timeOf(invocation), isStateNeeded }));
}

/** For `verify`, which stores its results, unless it looks at the past. Throws, and warns, as openForShowing. */
export async function openForVerifying(invocation: Invocation): Promise<Repository> {
  if (timeOf(invocation) !== undefined) return openForShowing(invocation);
  const { openRepository } = await import("../repository/repository.ts");
  return warnedOfState(await openRepository(await openStore(invocation, { time: undefined, isStateNeeded: false }), invocation), invocation);
}

async function warnedOfState(repository: Repository, { config, runtime, signal }: Invocation): Promise<Repository> {
  const { stateFault } = await import("../repository/state-store.ts");
  const fault = await stateFault(repository, { signal }).catch((error: unknown) => {
    if (!(error instanceof EtcdsafeError) || signal.aborted) throw error;
    return error;
  });
  if (fault !== undefined && dispensable.get(config)?.isPassedOver !== true) runtime.log({ level: "warn", message: fault.message });
  return repository;
}

/** To be written to, and as it is now. Throws USAGE where no repository is named. */
export function openNamedStorage(invocation: Invocation): Promise<Storage> {
  return openStore(invocation, { time: undefined, isStateNeeded: true });
}

/** The stores that a repository is in, one by one: to be tried, not to be used. */
export async function openNamedStores(invocation: Invocation): Promise<{ readonly main: Storage; readonly state: Storage | undefined }> {
  const stateUrl = invocation.config.get("state-url");
  const main = await openStorageAt(invocation, repositoryLocation(invocation));
  return { main, state: stateUrl === undefined ? undefined : await openStorageAt(invocation, stateUrl) };
}

/** A store that some option or operand names; all are reached by the same options. Throws CONFIG_INVALID for what is no location. */
async function openStorageAt(invocation: Invocation, location: string, time?: Date): Promise<Storage> {
  const { settings, faults } = readStorageSettings(invocation.config);
  throwFaults(faults);
  const { openStorage } = await import("../storage/open.ts");
  const storage = await openStorage(location, time === undefined ? settings : { ...settings, time }, invocation.runtime);
  return invocation.record?.storage(storage, location) ?? storage;
}

/** How the versions of what is stored are to be locked; undefined where they are not. Throws CONFIG_INVALID. */
export function lockOf({ config }: Invocation): LockPolicy | undefined {
  const { lock, faults } = readStorageSettings(config);
  throwFaults(faults);
  return lock;
}

/** What --as-of says. */
function timeOf({ config }: Invocation): Date | undefined {
  const time = config.get("as-of");
  return time === undefined ? undefined : new Date(time);
}

/** Recorded in everything that this process writes to a repository. */
export async function author(): Promise<Author> {
  const [{ hostname }, { processIdentity }] = await Promise.all([import("node:os"), import("./process-gone.ts")]);
  return { tool: { name: "etcdsafe", version: version() }, writer: { host: hostname(), pid: process.pid, process: processIdentity() } };
}

/** The state is looked at as it is, whatever the time: no backup is found or restored by it. So who only reads goes without where it is lost or out of reach. */
async function openStore(
  invocation: Invocation,
  { time, isStateNeeded }: { readonly time: Date | undefined; readonly isStateNeeded: boolean },
): Promise<Storage> {
  const stateUrl = invocation.config.get("state-url");
  const main = await openStorageAt(invocation, repositoryLocation(invocation), time);
  if (stateUrl === undefined) return trustedOnly(main, invocation);
  const { stateSplit } = await import("../storage/state-split.ts");
  const state = await openStorageAt(invocation, stateUrl);
  if (state.location === main.location)
    throw new EtcdsafeError("CONFIG_INVALID", `--state-url names the repository itself, ${main.location}`, {
      hint: "Leave it out: the state is there anyway.",
    });
  return trustedOnly(stateSplit(main, isStateNeeded ? state : await orPassedOver(state, invocation)), invocation);
}

/** One per run, so that what is out of reach is waited for and told of once, however often the repository is opened. */
const dispensable = new WeakMap<Invocation["config"], { readonly storage: Storage; isPassedOver: boolean }>();

async function orPassedOver(state: Storage, { config, runtime }: Invocation): Promise<Storage> {
  const { orAbsent } = await import("../storage/or-absent.ts");
  const known = dispensable.get(config);
  if (known !== undefined) return known.storage;
  const failed = ({ message }: EtcdsafeError) => {
    opened.isPassedOver = true;
    runtime.log({ level: "warn", message: `the state of the repository, in ${state.location} (--state-url), is not looked at: ${message}` });
  };
  const opened = { storage: orAbsent(state, failed), isPassedOver: false };
  dispensable.set(config, opened);
  return opened.storage;
}

function repositoryLocation({ config }: Invocation): string {
  const location = config.get("repository");
  const count = config.all("repository").length;
  if (count > 1)
    throw new EtcdsafeError("USAGE", `${count} repositories are named (${originText(config.origin("repository"))})`, {
      hint: "Only `save` and `verify` take several: name one with --repository.",
    });
  if (location !== undefined) return location;
  throw new EtcdsafeError("USAGE", "no repository is named", {
    hint: "Give --repository, ETCDSAFE_REPOSITORY, or the key repository of the file that --config names.",
  });
}
