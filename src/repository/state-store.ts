// Where a repository keeps its state, the objects that are rewritten, when that is another store: --state-url. It has one place, which the repository file names.
// Who looked for it elsewhere would see nobody at work, and would remove what is being written or write it a second time.
import { EtcdsafeError } from "../errors.ts";
import type { Repository } from "./repository.ts";

/** Whether `storage` has the state where the repository keeps it. Pure. */
export function hasItsState({ storage, file }: Repository): boolean {
  return storage.stateLocation === file.stateStore?.location;
}

/** Throws CONFIG_INVALID where it has not: for all that write, and what judges by who else does. Reading backups needs no state. Pure. */
export function requireState(repository: Repository): void {
  if (hasItsState(repository)) return;
  const { storage, file } = repository;
  const kept = file.stateStore === undefined ? "with its backups" : `in ${file.stateStore.location}`;
  const given = storage.stateLocation === undefined ? "and no --state-url was given" : `and --state-url names ${storage.stateLocation}`;
  const right = file.stateStore === undefined ? "Leave --state-url out" : `Give --state-url ${file.stateStore.location}`;
  const moving =
    storage.stateLocation === undefined
      ? ""
      : " To keep it in the other store from now on, let `etcdsafe repo init` run with that --state-url while nobody writes, and give it everywhere from then on.";
  throw new EtcdsafeError("CONFIG_INVALID", `the repository in ${storage.location} keeps its state ${kept}, ${given}`, {
    hint: `${right}: who looks elsewhere sees no other writer.${moving}`,
  });
}
