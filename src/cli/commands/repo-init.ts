// `etcdsafe repo init`
import { EtcdsafeError } from "../../errors.ts";
import { REPOSITORY_KEY } from "../../repository/names.ts";
import { openOrCreateRepository, proveConditions, type Repository } from "../../repository/repository.ts";
import type { Invocation } from "../command.ts";
import { author, openNamedStorage } from "../repository.ts";

/** What became of the second create, and what to say of it. */
const CONDITIONS = {
  refused: "A second create of the same object was refused, as it has to be where several write.",
  ignored: "WARNING: the store took a second create of an object that exists. Record nothing there, and let one host alone save: `repo validate` shows more.",
  "not-tried": "Whether the store refuses a second create was not tried: nothing may be written there.",
} as const;

export async function run(invocation: Invocation): Promise<number> {
  const { output, signal } = invocation;
  const storage = await openNamedStorage(invocation);
  const existed = (await storage.stat(REPOSITORY_KEY, { signal })) !== undefined;
  const opened = await openOrCreateRepository(storage, await author(), invocation);
  const { file, conditionalCreate } = existed ? await proven(opened, invocation) : told(opened);
  output.print({ created: !existed, location: storage.location, conditionalCreate, repository: file }, () => {
    const there = existed ? `There is a repository in ${storage.location} already, ${file.id}.` : `Created the repository ${file.id} in ${storage.location}.`;
    return `${there}\n${CONDITIONS[conditionalCreate]}`;
  });
  return 0;
}

async function proven(repository: Repository, { signal }: Invocation): Promise<ReturnType<typeof told>> {
  try {
    return told(await proveConditions(repository, { signal }));
  } catch (error) {
    if (!(error instanceof EtcdsafeError) || error.code !== "STORAGE_DENIED") throw error;
    return { file: repository.file, conditionalCreate: "not-tried" };
  }
}

function told({ file }: Repository): { file: Repository["file"]; conditionalCreate: keyof typeof CONDITIONS } {
  return { file, conditionalCreate: file.ignoresConditions === true ? "ignored" : "refused" };
}
