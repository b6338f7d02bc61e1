// Edits a database in a thread of its own (bytes/worker.ts): where all keys have to be gone through, that takes seconds.
import type { WorkerContext } from "../bytes/worker.ts";
import { EtcdsafeError } from "../errors.ts";
import { type DatabaseEdit, type DatabaseFile, type DatabaseMembers, editRestoredDatabase } from "./database.ts";
import type { DatabasePlan } from "./database-plan.ts";

export interface DatabaseEditInput {
  readonly file: DatabaseFile;
  readonly plan: DatabasePlan;
  readonly members: DatabaseMembers | undefined;
}

export function run({ file, plan, members }: DatabaseEditInput, context: WorkerContext): DatabaseEdit {
  return editRestoredDatabase(file, plan, members, () => {
    if (context.cancelled()) throw new EtcdsafeError("INTERRUPTED", "the edit of the database was given up");
  });
}
