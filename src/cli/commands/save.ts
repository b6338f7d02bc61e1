// `etcdsafe save`
import { once } from "node:events";
import type { Saved, SaveResult, SaveTarget } from "../../backup/save-target.ts";
import { throwFaults } from "../../config/config-error.ts";
import { readConnection } from "../../config/connection.ts";
import { EtcdsafeError } from "../../errors.ts";
import type { Invocation } from "../command.ts";
import { formatSize } from "../format.ts";
import { facts } from "../output.ts";
import { author, openNamedStorage } from "../repository.ts";

export async function run(invocation: Invocation): Promise<number> {
  const { config, environment, runtime } = invocation;
  const { options: connection, faults } = await readConnection(config, environment);
  throwFaults(faults);
  const toStdout = config.get("output") === "-";
  const target = await targetOf(invocation);
  const { save, DEFAULT_SPOOL_DIRECTORY } = await import("../../backup/save.ts");
  const spoolDirectory = config.get("no-spool") || toStdout ? undefined : (config.get("spool-dir") ?? DEFAULT_SPOOL_DIRECTORY);
  const deadlineMs = config.get("deadline");
  const deadline = new AbortController();
  const timer =
    deadlineMs === undefined
      ? undefined
      : setTimeout(() => deadline.abort(new EtcdsafeError("DEADLINE_EXCEEDED", `the save took longer than ${deadlineMs} ms`)), deadlineMs);
  const signal = AbortSignal.any([invocation.signal, deadline.signal]);
  try {
    const request = {
      connection,
      member: config.get("member"),
      checkMembers: config.get("check-members"),
      stallLimitMs: config.get("stall-limit"),
      spoolDirectory,
      target,
    };
    const result = await save(request, { signal, runtime });
    for (const message of result.saved.warnings) runtime.log({ level: "warn", message });
    print(invocation, result, toStdout);
    return 0;
  } finally {
    clearTimeout(timer);
  }
}

async function targetOf(invocation: Invocation): Promise<SaveTarget> {
  const { config } = invocation;
  const output = config.get("output");
  if (output !== undefined) {
    if (config.origin("repository").kind === "flag")
      throw new EtcdsafeError("USAGE", "--output and --repository exclude each other", { hint: "Give one of the two." });
    const { fileTarget, streamTarget } = await import("../../backup/file-target.ts");
    return output === "-" ? streamTarget(writeStdout) : fileTarget(output);
  }
  const storage = await openNamedStorage(invocation);
  const { RepositoryTarget } = await import("../../backup/repository-target.ts");
  return new RepositoryTarget({ storage, author: await author(), cluster: config.get("cluster"), compareEveryMs: config.get("check-members-every") });
}

async function writeStdout(chunks: readonly Uint8Array[]): Promise<void> {
  for (const chunk of chunks) if (!process.stdout.write(chunk)) await once(process.stdout, "drain");
}

function print({ output, runtime }: Invocation, { saved, suspects }: SaveResult, toStdout: boolean): void {
  const text = () =>
    facts([
      ["saved", saved.manifest?.id ?? saved.file ?? "to standard output"],
      ["state", `${saved.state}: ${saved.stateWhy}`],
      ["revision", saved.revision],
      ["keys", saved.manifest?.counts?.keys],
      ["size", formatSize(saved.rawSizeBytes)],
      ["stored", saved.manifest === null ? undefined : formatSize(saved.manifest.objects.reduce((sum, { storedSizeBytes }) => sum + storedSizeBytes, 0))],
      ["timeline", saved.manifest?.timelineBegan == null ? undefined : `${saved.manifest.timeline}, begun here: ${saved.manifest.timelineBegan.detail}`],
      ...suspects.map((suspect) => ["suspect", `${suspect.manifest?.id ?? "a snapshot"}: ${suspect.stateWhy}`] as const),
    ]);
  // Standard output holds the snapshot itself then.
  if (toStdout) runtime.log({ level: "info", message: `sent ${formatSize(saved.rawSizeBytes)}, SHA-256 ${saved.databaseSha256} of the database` });
  else output.print({ ...documentOf(saved), suspects: suspects.map(documentOf) }, text);
}

function documentOf({ manifest, file, ...facts }: Saved) {
  return manifest === null ? { manifest, file, ...facts } : { manifest, file };
}
