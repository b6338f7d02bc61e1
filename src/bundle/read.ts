// Takes a bundle's tar apart, and believes nothing of it: every entry has to be what the index says, and all of them together a tree that stays below one
// directory. What passes here is safe to unpack; a bundle of which anything fails is refused whole.
import { createHash } from "node:crypto";
import { extract, type Header } from "tar-stream";
import { type ByteStream, collect } from "../bytes/stream.ts";
import { EtcdsafeError } from "../errors.ts";
import { parseDocument } from "../repository/document.ts";
import { BUNDLE_INDEX, type BundleIndex } from "./index-document.ts";
import { CONTENT_SIZE_BYTES_MAX, FILE_SIZE_BYTES_MAX, INDEX_SIZE_BYTES_MAX, TAR_SIZE_BYTES_MAX } from "./limits.ts";
import { INDEX_NAME, treeFault } from "./tree.ts";

export interface BundleEntry {
  readonly facts: BundleIndex["entries"][number];
  /** Of a file; else empty. */
  readonly bytes: Uint8Array;
}

export interface Bundle {
  readonly index: BundleIndex;
  readonly indexBytes: Uint8Array;
  /** In the order of the index, in which a directory comes before what is in it, where it is an entry at all. */
  readonly entries: readonly BundleEntry[];
}

/** What tar-stream's types leave out: that it can be iterated over, the pax records, and that a type may be unknown. */
type Entry = ByteStream & { readonly header: TarHeader };
type TarHeader = Omit<Header, "pax" | "type"> & { readonly pax?: Readonly<Record<string, string>> | null; readonly type: Header["type"] | null };

/** All of the tar. `label` names it in messages. Throws BUNDLE_INVALID, and what the stream throws. */
export async function readBundle(label: string, tar: ByteStream): Promise<Bundle> {
  const bytes = await collect(tar, TAR_SIZE_BYTES_MAX, () => invalid(label, `it is longer than ${TAR_SIZE_BYTES_MAX} bytes`));
  try {
    return await takeApart(label, bytes);
  } catch (error) {
    if (error instanceof EtcdsafeError) throw error;
    throw new EtcdsafeError("BUNDLE_INVALID", `${label} is no good bundle: ${(error as Error).message}`, { cause: error });
  }
}

async function takeApart(label: string, tar: Uint8Array): Promise<Bundle> {
  const reading = extract();
  reading.end(tar);
  let index: BundleIndex | undefined;
  let indexBytes: Uint8Array = new Uint8Array(0);
  const left = new Map<string, BundleIndex["entries"][number]>();
  const contents = new Map<string, Uint8Array>();
  try {
    for await (const entry of reading as AsyncIterable<unknown> as AsyncIterable<Entry>) {
      const { header } = entry;
      if (index === undefined) {
        indexBytes = await indexOf(label, entry);
        index = parseDocument(BUNDLE_INDEX, `${label}: ${INDEX_NAME}`, indexBytes);
        const fault = indexFault(index);
        if (fault !== undefined) throw invalid(label, fault);
        for (const facts of index.entries) left.set(facts.name, facts);
        continue;
      }
      const facts = left.get(header.name);
      if (facts === undefined)
        throw invalid(label, `${JSON.stringify(header.name)} is in its tar ${contents.has(header.name) ? "twice" : "and not in its index"}`);
      const difference = headerDifference(facts, header);
      if (difference !== undefined) throw invalid(label, `${JSON.stringify(header.name)} ${difference}`);
      left.delete(facts.name);
      const bytes = await contentOf(label, entry, facts.sizeBytes ?? 0);
      if (facts.type === "file" && createHash("sha256").update(bytes).digest("hex") !== facts.sha256)
        throw invalid(label, `${JSON.stringify(header.name)} has another SHA-256 than its index says`);
      contents.set(facts.name, bytes);
    }
  } finally {
    reading.destroy();
  }
  if (index === undefined) throw invalid(label, "it is empty");
  const [missing] = left.keys();
  if (missing !== undefined) throw invalid(label, `${JSON.stringify(missing)} is in its index, but not in its tar`);
  return { index, indexBytes, entries: index.entries.map((facts) => ({ facts, bytes: contents.get(facts.name)! })) };
}

async function indexOf(label: string, entry: Entry): Promise<Uint8Array> {
  const { name, type, size } = entry.header;
  if (name !== INDEX_NAME || type !== "file") throw invalid(label, `its first entry is ${JSON.stringify(name)}, not ${INDEX_NAME}`);
  if (size > INDEX_SIZE_BYTES_MAX) throw invalid(label, `its index is longer than ${INDEX_SIZE_BYTES_MAX} bytes`);
  return contentOf(label, entry, size);
}

/** Sizes and hashes belong to files, and targets to links; then what the tree as a whole may not be. */
function indexFault({ entries }: BundleIndex): string | undefined {
  let sizeBytes = 0;
  for (const entry of entries) {
    const [isFile, isLink] = [entry.type === "file", entry.type === "symlink"];
    if ((entry.sizeBytes !== null) !== isFile || (entry.sha256 !== null) !== isFile || (entry.linkTarget !== null) !== isLink)
      return `its index contradicts itself about ${JSON.stringify(entry.name)}`;
    if ((entry.sizeBytes ?? 0) > FILE_SIZE_BYTES_MAX) return `${JSON.stringify(entry.name)} is longer than ${FILE_SIZE_BYTES_MAX} bytes`;
    sizeBytes += entry.sizeBytes ?? 0;
  }
  if (sizeBytes > CONTENT_SIZE_BYTES_MAX) return `its files have ${sizeBytes} bytes; ${CONTENT_SIZE_BYTES_MAX} are the limit`;
  return treeFault(entries);
}

/** Completes "NAME …". */
function headerDifference(facts: BundleIndex["entries"][number], header: TarHeader): string | undefined {
  const { type, mode, size, linkname, pax } = header;
  if (type !== facts.type) return `is a ${type ?? "thing of no known type"} in the tar, and a ${facts.type} in the index`;
  const said = {
    mode: mode.toString(8).padStart(4, "0"),
    uid: Number(pax?.["uid"] ?? header.uid),
    gid: Number(pax?.["gid"] ?? header.gid),
    size,
    target: facts.type === "symlink" ? linkname : null,
  };
  const expected = { mode: facts.mode, uid: facts.uid, gid: facts.gid, size: facts.sizeBytes ?? 0, target: facts.linkTarget };
  const differing = Object.entries(said).find(([key, value]) => value !== expected[key as keyof typeof expected]);
  if (differing === undefined) return undefined;
  const [key, value] = differing;
  return `has the ${key} ${JSON.stringify(value)} in the tar, and ${JSON.stringify(expected[key as keyof typeof expected])} in the index`;
}

async function contentOf(label: string, entry: Entry, sizeBytes: number): Promise<Uint8Array> {
  const bytes = await collect(entry, sizeBytes, () => invalid(label, `${JSON.stringify(entry.header.name)} is longer than its header says`));
  if (bytes.length !== sizeBytes) throw invalid(label, `${JSON.stringify(entry.header.name)} is cut short`);
  return bytes;
}

function invalid(label: string, why: string): EtcdsafeError {
  return new EtcdsafeError("BUNDLE_INVALID", `${label} is no good bundle: ${why}`);
}
