// Where the database is edited: a few pages at once, all keys in a thread of its own.
import { runInWorker } from "../bytes/worker.ts";
import type { CallOptions } from "../runtime.ts";
import { type DatabaseEdit, type DatabaseFile, type DatabaseMembers, editRestoredDatabase } from "./database.ts";
import type { DatabasePlan } from "./database-plan.ts";
import type { DatabaseEditInput } from "./database-worker.ts";
import { addedRevisions } from "./keyspace.ts";

/** Throws what `editRestoredDatabase` does. */
export async function editDatabaseFile(
  file: DatabaseFile,
  plan: DatabasePlan,
  members: DatabaseMembers | undefined,
  { signal }: CallOptions,
): Promise<DatabaseEdit> {
  if (addedRevisions(plan.keyspace) === 0) return editRestoredDatabase(file, plan, members);
  const input = { file, plan, members };
  return runInWorker<DatabaseEditInput, DatabaseEdit>(new URL("./database-worker", import.meta.url), input, { signal });
}
