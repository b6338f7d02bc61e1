// A bundle's tar: POSIX (pax), its index first. docs/repository-format.md, "Bundles".
import { type Header, pack } from "tar-stream";
import type { ByteStream } from "../bytes/stream.ts";
import { EtcdsafeError } from "../errors.ts";
import { encodeDocument } from "../repository/document.ts";
import type { Author } from "../repository/repository.ts";
import { FORMAT_VERSION } from "../repository/schemas/common.ts";
import { isSecret } from "./content.ts";
import type { GatheredBundle, GatheredEntry } from "./gather.ts";
import { BUNDLE_INDEX, type BundleIndex } from "./index-document.ts";
import { INDEX_SIZE_BYTES_MAX } from "./limits.ts";
import { INDEX_NAME } from "./tree.ts";

const INDEX_MODE = 0o600;
/** What a header's seven octal digits hold; a pax record says more. */
const ID_MAX = 0o7777777;

/** The raw bytes of the object; what is gathered has been checked. Throws FILE_FAILED for an index that no reader would take. */
export function bundleTar(
  gathered: GatheredBundle,
  { author, cluster, backup, createdAt }: { readonly author: Author; readonly cluster: string; readonly backup: string; readonly createdAt: Date },
): ByteStream {
  const index: BundleIndex = {
    format: FORMAT_VERSION,
    requires: [],
    ...author,
    cluster,
    backup,
    createdAt: createdAt.toISOString(),
    presets: [...gathered.presets],
    containsPrivateKeys: isSecret(gathered.kinds),
    entries: gathered.entries.map(({ bytes: _bytes, ...entry }) => entry),
  };
  const indexBytes = encodeDocument(BUNDLE_INDEX, INDEX_NAME, index);
  if (indexBytes.length > INDEX_SIZE_BYTES_MAX)
    throw new EtcdsafeError("FILE_FAILED", `the list of the bundle's files takes ${indexBytes.length} bytes; ${INDEX_SIZE_BYTES_MAX} are the limit`, {
      hint: "Include fewer files.",
    });
  const tar = pack();
  tar.entry({ name: INDEX_NAME, mode: INDEX_MODE, mtime: createdAt, type: "file" }, Buffer.from(indexBytes));
  for (const entry of gathered.entries) {
    const header = headerOf(entry);
    if (entry.type === "file") tar.entry(header, Buffer.from(entry.bytes.buffer, entry.bytes.byteOffset, entry.bytes.length));
    else tar.entry(header);
  }
  tar.finalize();
  return tar as unknown as ByteStream; // As it is, though its types do not say so.
}

/** With the milliseconds that ustar's header has no room for, and ids beyond its digits. */
function headerOf({ name, type, mode, uid, gid, modifiedAt, linkTarget }: GatheredEntry): Partial<Header> & Pick<Header, "name"> {
  const mtime = new Date(modifiedAt);
  const ids = Object.entries({ uid, gid }).flatMap(([key, id]) => (id > ID_MAX ? [[key, String(id)] as const] : []));
  const pax = { mtime: (mtime.getTime() / 1000).toFixed(3), ...Object.fromEntries(ids) };
  const header = { name, type, mode: Number.parseInt(mode, 8), uid: Math.min(uid, ID_MAX), gid: Math.min(gid, ID_MAX), mtime, pax };
  return linkTarget === null ? header : { ...header, linkname: linkTarget };
}
