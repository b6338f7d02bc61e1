// `etcdsafe repo init`
import { isDeepStrictEqual } from "node:util";
import { EtcdsafeError, hasCode } from "../../errors.ts";
import { createsAfterRemoval, ignoresConditions } from "../../repository/conditions.ts";
import { probeKey, REPOSITORY_KEY, randomId } from "../../repository/names.ts";
import { mayBeDenied } from "../../repository/object-lock.ts";
import { openOrCreateRepository, proveConditions, type Repository, type RepositoryFile } from "../../repository/repository.ts";
import type { Storage } from "../../storage/storage.ts";
import type { Invocation } from "../command.ts";
import { askedProtection } from "../protection.ts";
import { author, openNamedStorage } from "../repository.ts";

/** What became of what should be refused, and what to say of it. */
const CONDITIONS = {
  refused: "A second create of the same object was refused, and a replacement of an old version, as both have to be where several write.",
  ignored: "WARNING: the store overwrote what it should have refused to. Record nothing there, and let one host alone save: `repo validate` shows more.",
  "not-tried":
    "Whether the store refuses to overwrite what another has written was not tried, so what needs that refuses to work there: the repository file may not be overwritten, or others did all the time.",
} as const;

/** The same of a create after a deletion, where something is to be said of it. */
const AFTER_REMOVAL =
  "WARNING: what was deleted there counts as existing still, and is not created again: should everything be deleted, no new repository can begin there.";

export async function run(invocation: Invocation): Promise<number> {
  const { output, signal } = invocation;
  const storage = await openNamedStorage(invocation);
  const existed = (await storage.stat(REPOSITORY_KEY, { signal })) !== undefined;
  const policy = await policyOf(invocation);
  const opened = await openOrCreateRepository(storage, await author(), { ...invocation, policy });
  if (existed && !isDeepStrictEqual(policy, {}) && !isDeepStrictEqual(opened.file.policy.encryption, policy.encryption)) throw otherPolicy(storage.location);
  const { file, conditionalCreate } = existed ? await proven(opened, invocation) : told(opened);
  const createAfterRemoval = await triedAfterRemoval(storage, invocation);
  output.print({ created: !existed, location: storage.location, conditionalCreate, createAfterRemoval, repository: file }, () => {
    const there = existed ? `There is a repository in ${storage.location} already, ${file.id}.` : `Created the repository ${file.id} in ${storage.location}.`;
    return [there, CONDITIONS[conditionalCreate], ...(createAfterRemoval === "refused" ? [AFTER_REMOVAL] : [])].join("\n");
  });
  return 0;
}

/** What the options say for all who save there. */
async function policyOf(invocation: Invocation): Promise<RepositoryFile["policy"]> {
  const { encryption } = await askedProtection(invocation, "passphrase-file");
  const recipients = typeof encryption === "object" && "recipients" in encryption ? [...encryption.recipients] : [];
  const required = invocation.config.get("require-encryption");
  return required || recipients.length > 0 ? { encryption: { required, recipients } } : {};
}

function otherPolicy(location: string): EtcdsafeError {
  return new EtcdsafeError("USAGE", `there is a repository in ${location} already, and its policy of encryption is another one`, {
    hint: "`repo init` gives a new repository its policy and changes none. It is policy.encryption in etcdsafe-repository.json: docs/repository-format.md.",
  });
}

async function proven(repository: Repository, invocation: Invocation): Promise<ReturnType<typeof told>> {
  try {
    return told(await proveConditions(repository, invocation));
  } catch (error) {
    if (!hasCode(error, "STORAGE_DENIED")) throw error;
    return { file: repository.file, conditionalCreate: "not-tried" };
  }
}

/** Only where versions are kept: elsewhere nothing is left of what was deleted. */
async function triedAfterRemoval(storage: Storage, { runtime, signal }: Invocation): Promise<"works" | "refused" | "not-tried"> {
  const { versions } = storage;
  if (versions === undefined || (await mayBeDenied(() => versions.isEnabled({ signal }))) === false) return "not-tried";
  const created = await mayBeDenied(() => createsAfterRemoval(storage, probeKey(randomId(runtime.randomBytes), "again"), { signal }));
  return created === "denied" ? "not-tried" : created ? "works" : "refused";
}

function told(repository: Repository): { file: Repository["file"]; conditionalCreate: keyof typeof CONDITIONS } {
  const ignored = ignoresConditions(repository);
  return { file: repository.file, conditionalCreate: ignored === undefined ? "not-tried" : ignored ? "ignored" : "refused" };
}
