// A directory that is a repository of etcdsafe's.
import { EtcdsafeError } from "../errors.ts";
import { scanBackups } from "../repository/backup-scan.ts";
import { listClusters } from "../repository/catalogue.ts";
import { openRepository } from "../repository/repository.ts";
import type { CallOptions, Runtime } from "../runtime.ts";
import { openStorage } from "../storage/open.ts";
import { readOnly } from "../storage/read-only.ts";
import { DEFAULT_SETTINGS } from "../storage/settings.ts";
import type { Inspection } from "./inspection.ts";

export async function inspectRepository(path: string, options: CallOptions & { readonly runtime: Runtime }): Promise<Omit<Inspection, "path">> {
  const storage = readOnly(await openStorage(path, DEFAULT_SETTINGS, options.runtime));
  try {
    const repository = await openRepository(storage, options);
    const clusters: { name: string; backups: number }[] = [];
    for (const name of await listClusters(repository, options)) clusters.push({ name, backups: (await scanBackups(storage, name, options)).length });
    const { id, createdAt } = repository.file;
    const hint = `\`etcdsafe list --repository ${path}\` shows its backups.`;
    return { kind: "repository", what: "a repository of etcdsafe", hint, repository: { id, createdAt, clusters } };
  } catch (error) {
    if (!(error instanceof EtcdsafeError) || !["REPOSITORY_INVALID", "REPOSITORY_UNSUPPORTED"].includes(error.code)) throw error;
    return { kind: "repository", what: "a repository of etcdsafe that this version cannot read", hint: `${error.message}. ${error.hint}` };
  }
}
