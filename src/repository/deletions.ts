// deleting/<backup id>.json: that a backup is being removed. docs/repository-format.md, "Deletions".
import type { z } from "zod";
import { EtcdsafeError } from "../errors.ts";
import type { CallOptions } from "../runtime.ts";
import type { Storage } from "../storage/storage.ts";
import { createDocument, type DocumentKind, readDocument } from "./document.ts";
import { deletionKey } from "./names.ts";
import { recognise } from "./recognise.ts";
import type { Author } from "./repository.ts";
import { deletionSchema } from "./schemas/deletion.ts";
import { head } from "./sidecars.ts";

type Deletion = z.infer<typeof deletionSchema>;

const DELETION: DocumentKind<typeof deletionSchema> = { schema: deletionSchema, label: "deletion", invalid: "REPOSITORY_INVALID" };

/** Creates it; false where there is one already. */
export function writeDeletion(
  storage: Storage,
  cluster: string,
  author: Author,
  facts: Pick<Deletion, "backup" | "startedAt" | "reasons" | "keys">,
  options: CallOptions,
): Promise<boolean> {
  return createDocument(storage, DELETION, deletionKey(cluster, facts.backup), { ...head(cluster, author), ...facts }, options);
}

/** The objects of the backup that it names; what it names beside them is none of its business. None where it cannot be read. */
export async function keysToDelete(storage: Storage, cluster: string, backup: string, options: CallOptions): Promise<string[]> {
  let keys: readonly string[];
  try {
    ({ keys } = await readDocument(storage, DELETION, deletionKey(cluster, backup), options));
  } catch (error) {
    if (!(error instanceof EtcdsafeError) || (error.code !== "REPOSITORY_INVALID" && error.code !== "STORAGE_NOT_FOUND")) throw error;
    return [];
  }
  return keys.filter((key) => {
    const what = recognise(key);
    return what?.kind === "backup-object" && what.cluster === cluster && what.backup === backup;
  });
}
