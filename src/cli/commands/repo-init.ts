// `etcdsafe repo init`

import { REPOSITORY_KEY } from "../../repository/names.ts";
import { openOrCreateRepository } from "../../repository/repository.ts";
import type { Invocation } from "../command.ts";
import { author, openNamedStorage } from "../repository.ts";

export async function run(invocation: Invocation): Promise<number> {
  const { output, signal } = invocation;
  const storage = await openNamedStorage(invocation);
  const existed = (await storage.stat(REPOSITORY_KEY, { signal })) !== undefined;
  const { file } = await openOrCreateRepository(storage, await author(), invocation);
  output.print({ created: !existed, location: storage.location, repository: file }, () =>
    existed ? `There is a repository in ${storage.location} already, ${file.id}.` : `Created the repository ${file.id} in ${storage.location}.`,
  );
  return 0;
}
