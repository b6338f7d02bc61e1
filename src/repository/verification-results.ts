// What the verifications of a backup say of it, however many there are: their names tell which of them still count, and only those are read.
import type { BriefVerification } from "./brief.ts";
import { parseVerificationKey } from "./names.ts";
import { VERIFICATION_LEVELS, type VerificationLevel } from "./sidecars.ts";

export interface VerificationResults<V extends BriefVerification> {
  /** Why the backup is damaged: each reason once, as the newest verification that found it says it. */
  readonly damage: readonly string[];
  /** The newest of each level. */
  readonly newest: Partial<Record<VerificationLevel, V>>;
}

/** Undefined for one that cannot be read. */
type ReadVerification<V> = (key: string) => Promise<V | undefined>;

/** What a name tells; or a document, of those that are named by their time alone. */
interface Result {
  readonly key: string;
  readonly finishedAt: string;
  readonly depth: number;
  readonly outcome: string;
}

/** Where every night finds the same fault, the newest say it; and as many are read at once. */
const READ_AT_ONCE = 32;
/** Those named by their time alone went no deeper. */
const DEPTH_MAX_OF_UNNAMED = VERIFICATION_LEVELS.indexOf("structure");

/** `keys`: of all verifications of the backup, oldest first. */
export async function verificationResults<V extends BriefVerification>(keys: readonly string[], read: ReadVerification<V>): Promise<VerificationResults<V>> {
  const reader = new Reader(read);
  const results = await resultsOf(keys.toReversed(), reader);
  const newest = VERIFICATION_LEVELS.flatMap((_, depth) => results.find((result) => result.depth === depth) ?? []);
  const standing = results.filter((result) => isStanding(result, results)).slice(0, READ_AT_ONCE);
  await reader.read([...newest, ...standing].map(({ key }) => key));
  const documents = newest.flatMap(({ key }) => reader.document(key) ?? []);
  const byLevel: Partial<Record<VerificationLevel, V>> = Object.fromEntries(documents.map((document) => [document.level, document]));
  return { damage: damageOf(standing, results, reader), newest: byLevel };
}

/** Newest first, as `keys`. */
async function resultsOf(keys: readonly string[], reader: Reader<BriefVerification>): Promise<Result[]> {
  const names = keys.map((key) => ({ key, ...parseVerificationKey(key) }));
  const results = names.flatMap(({ key, finishedAt, level, outcome = "" }) => resultOf(key, finishedAt, level, outcome));
  const unnamed = names.filter(({ level }) => level === undefined);
  for (let at = 0; at < unnamed.length; at += READ_AT_ONCE) {
    const next = unnamed.slice(at, at + READ_AT_ONCE);
    // The newest are shown; of those before them one may stand, until all that they can say is refuted.
    const isSettled = results.some((result) => refutes(result, { depth: DEPTH_MAX_OF_UNNAMED, finishedAt: next[0]!.finishedAt }));
    if (at > 0 && isSettled) break;
    await reader.read(next.map(({ key }) => key));
    for (const { key, finishedAt } of next) {
      const document = reader.document(key);
      if (document !== undefined) results.push(...resultOf(key, finishedAt, document.level, document.outcome));
    }
  }
  return results.sort((a, b) => (a.key < b.key ? 1 : -1));
}

/** None for a level that is not known: what it says cannot be told. */
function resultOf(key: string, finishedAt: string, level: string | undefined, outcome: string): Result[] {
  const depth = (VERIFICATION_LEVELS as readonly (string | undefined)[]).indexOf(level);
  return depth < 0 ? [] : [{ key, finishedAt, depth, outcome }];
}

/** A failure counts until the same or a deeper level has passed: reading may have failed on the way, not in the store. */
function isStanding(result: Result, all: readonly Result[]): boolean {
  return result.outcome === "failed" && !all.some((other) => refutes(other, result));
}

function refutes({ outcome, depth, finishedAt }: Result, failed: Pick<Result, "depth" | "finishedAt">): boolean {
  return outcome === "passed" && depth >= failed.depth && finishedAt > failed.finishedAt;
}

function damageOf(standing: readonly Result[], all: readonly Result[], reader: Reader<BriefVerification>): string[] {
  const texts = new Map<string, string>();
  for (const { key, depth, finishedAt } of standing) {
    const document = reader.document(key);
    const why = document === undefined ? "its record cannot be read" : (document.failure?.message ?? "see its findings");
    if (texts.has(why)) continue;
    const level = VERIFICATION_LEVELS[depth];
    // Of a backup that was replaced by hand, what was found in the one before: its copy is read back, and no deeper.
    const passedSince = all.some((other) => refutes({ ...other, depth }, { depth, finishedAt }));
    const unrefuted = passedSince ? `; only less of it was read since: \`etcdsafe verify --level ${level}\` tells whether it still is so` : "";
    texts.set(why, `verification at level ${level} failed at ${document?.finishedAt ?? finishedAt}: ${why}${unrefuted}`);
  }
  return [...texts.values()];
}

/** Reads each document once. */
class Reader<V extends BriefVerification> {
  readonly #read: ReadVerification<V>;
  readonly #documents = new Map<string, V | undefined>();

  constructor(read: ReadVerification<V>) {
    this.#read = read;
  }

  async read(keys: readonly string[]): Promise<void> {
    const unread = [...new Set(keys)].filter((key) => !this.#documents.has(key));
    const documents = await Promise.all(unread.map((key) => this.#read(key)));
    for (const [index, key] of unread.entries()) this.#documents.set(key, documents[index]);
  }

  /** Undefined for one that cannot be read. */
  document(key: string): V | undefined {
    return this.#documents.get(key);
  }
}
