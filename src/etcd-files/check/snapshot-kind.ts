// What a file is that was given as a snapshot, by its first bytes, size and name: so that "missing hash" becomes "this is a gzip file".
// Pure; nothing is read here.
import { ERRORS, type ErrorCode, EtcdsafeError } from "../../errors.ts";

/** How much of the start of a file snapshotKind wants to see. */
export const HEAD_SIZE_BYTES: number = 4096;

export interface SnapshotKind {
  /** "maybe" when nothing speaks against a database. */
  readonly verdict: "maybe" | "empty" | "packed" | "other";
  /** What it is, as part of a sentence: "a gzip file". */
  readonly what: string;
  /** What to do about it, where that can be said. */
  readonly hint?: string;
}

interface Signature {
  readonly what: string;
  readonly magic: readonly number[] | string;
  readonly at?: number;
  /** The command that unpacks it, for things a snapshot may be inside of. */
  readonly unpack?: string;
  readonly hint?: string;
}

/** Longest and most telling first. Sources: each format's specification; `file`'s magic database. */
const SIGNATURES: readonly Signature[] = [
  { what: "a gzip file", magic: [0x1f, 0x8b], unpack: "gunzip" },
  { what: "a zip archive", magic: [0x50, 0x4b, 0x03, 0x04], unpack: "unzip" },
  { what: "a zstd file", magic: [0x28, 0xb5, 0x2f, 0xfd], unpack: "zstd -d" },
  { what: "an xz file", magic: [0xfd, 0x37, 0x7a, 0x58, 0x5a, 0x00], unpack: "unxz" },
  { what: "a bzip2 file", magic: "BZh", unpack: "bunzip2" },
  { what: "an lz4 file", magic: [0x04, 0x22, 0x4d, 0x18], unpack: "lz4 -d" },
  { what: "a 7z archive", magic: [0x37, 0x7a, 0xbc, 0xaf, 0x27, 0x1c], unpack: "7z x" },
  { what: "a tar archive", magic: "ustar", at: 257, unpack: "tar -xf" },
  { what: "an age-encrypted file", magic: "age-encryption.org/", unpack: "age -d" },
  { what: "an age-encrypted file", magic: "-----BEGIN AGE ENCRYPTED FILE-----", unpack: "age -d" },
  { what: "a PGP-encrypted file", magic: "-----BEGIN PGP MESSAGE-----", unpack: "gpg -d" },
  { what: "a file encrypted by openssl enc", magic: "Salted__", unpack: "openssl enc -d" },
  { what: "an SQLite database", magic: "SQLite format 3\0", hint: "kine and k3s keep their data so; this is not an etcd." },
  { what: "an etcd write-ahead log", magic: [0x04, 0, 0, 0, 0, 0, 0, 0x84], hint: "The database of a data directory is member/snap/db." },
];

const GIBIBYTE = 2 ** 30;
const MEBIBYTE = 2 ** 20;

/** `head` is the file's first HEAD_SIZE_BYTES, or all of it. */
export function snapshotKind(head: Uint8Array, sizeBytes: number): SnapshotKind {
  if (sizeBytes === 0) return { verdict: "empty", what: "an empty file" };
  for (const { what, magic, at = 0, unpack, hint } of SIGNATURES) {
    if (!startsWith(head.subarray(at), magic)) continue;
    if (unpack !== undefined) return { verdict: "packed", what, hint: `Unpack it first, with \`${unpack}\`.` };
    return hint === undefined ? { verdict: "other", what } : { verdict: "other", what, hint };
  }
  return (
    textKind(head) ??
    (head.every((byte) => byte === 0) ? { verdict: "other", what: "a file that begins with zeros only" } : { verdict: "maybe", what: "a database" })
  );
}

/** The error for a file that is no database. */
export function notADatabase(path: string, kind: SnapshotKind, cause?: unknown): EtcdsafeError {
  const codes = { empty: "SNAPSHOT_EMPTY", packed: "SNAPSHOT_PACKED", other: "SNAPSHOT_NOT_A_DATABASE", maybe: "SNAPSHOT_NOT_A_DATABASE" } as const;
  const code: ErrorCode = codes[kind.verdict];
  const why = cause instanceof Error ? `: ${cause.message}` : "";
  const what = kind.verdict === "maybe" ? `no etcd database${why}` : kind.what;
  return new EtcdsafeError(code, `${path} is ${what}`, { hint: kind.hint ?? ERRORS[code].hint, cause });
}

/** The error for a database that ends too early. `neededBytes` is what its own meta page says. */
export function truncatedSnapshot(path: string, sizeBytes: number, neededBytes: number): EtcdsafeError {
  const sizes = `${formatSize(sizeBytes)} of ${formatSize(neededBytes)}`;
  if (path.endsWith(".part")) {
    const hint = "etcdctl renames it when the download is complete. Save a new snapshot, or fetch the finished file.";
    return new EtcdsafeError("SNAPSHOT_TRUNCATED", `${path} is the .part file of an unfinished download (${sizes})`, { hint });
  }
  return new EtcdsafeError("SNAPSHOT_TRUNCATED", `${path} is cut short (${sizes})`);
}

function textKind(head: Uint8Array): SnapshotKind | undefined {
  if (!head.every((byte) => byte >= 0x20 || byte === 0x09 || byte === 0x0a || byte === 0x0d)) return undefined;
  const text = Buffer.from(head).toString("utf8").trimStart();
  const hint = "Whatever fetched it stored an answer instead of the file; look into it.";
  if (/^<(!doctype\s+html|html)/i.test(text)) return { verdict: "other", what: `an HTML page${titleOf(text)}`, hint };
  if (text.startsWith("<")) return { verdict: "other", what: "an XML document", hint };
  if (/^[{[]/.test(text)) return { verdict: "other", what: "a JSON document", hint };
  return { verdict: "other", what: "a text file", hint };
}

function titleOf(html: string): string {
  const title = /<title>\s*([^<]{1,80}?)\s*<\/title>/i.exec(html)?.[1];
  return title === undefined ? "" : ` titled “${title}”`;
}

function startsWith(bytes: Uint8Array, magic: readonly number[] | string): boolean {
  const expected = typeof magic === "string" ? Buffer.from(magic, "latin1") : Uint8Array.from(magic);
  return bytes.length >= expected.length && expected.every((byte, index) => bytes[index] === byte);
}

function formatSize(sizeBytes: number): string {
  if (sizeBytes >= GIBIBYTE) return `${(sizeBytes / GIBIBYTE).toFixed(1)} GiB`;
  return sizeBytes >= MEBIBYTE ? `${(sizeBytes / MEBIBYTE).toFixed(1)} MiB` : `${sizeBytes} bytes`;
}
