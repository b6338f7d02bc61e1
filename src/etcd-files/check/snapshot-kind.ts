// What a file is that was given as a snapshot, by its first bytes, size and name: so that "missing hash" becomes "this is a gzip file".
// Pure; nothing is read here.
import { type ErrorCode, EtcdsafeError, type FormatError } from "../../errors.ts";
import { looksLikeRaftSnapshot } from "../raft-snapshot/read.ts";
import { looksLikeWalSegment } from "../wal/read.ts";

/** How much of the start of a file snapshotKind wants to see. */
export const HEAD_SIZE_BYTES: number = 4096;

export interface SnapshotKind {
  /** "maybe" when nothing speaks against a database; "zeros" when the first page is lost, if it was one. */
  readonly verdict: "maybe" | "zeros" | "empty" | "packed" | "text" | "other";
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
  { what: "a database in base64", magic: "AAAAAAAAAAAEAA", unpack: "base64 -d" },
  { what: "a database that was copied as text, which destroys it", magic: [0xef, 0xbf, 0xbd], at: 16, hint: "Copy it again, byte by byte." },
  {
    what: "a file of UTF-16 text",
    magic: [0xff, 0xfe],
    hint: "A shell that redirects text writes such files, PowerShell for one; what it wrote so is no snapshot any more.",
  },
];

const DATABASE_HINT = "The database of a data directory is member/snap/db.";

/** `head` is the file's first HEAD_SIZE_BYTES, or all of it. */
export function snapshotKind(head: Uint8Array, sizeBytes: number): SnapshotKind {
  if (sizeBytes === 0) return { verdict: "empty", what: "an empty file" };
  for (const { what, magic, at = 0, unpack, hint } of SIGNATURES) {
    if (!startsWith(head.subarray(at), magic)) continue;
    if (unpack !== undefined) return { verdict: "packed", what, hint: `Unpack it first, with \`${unpack}\`.` };
    return hint === undefined ? { verdict: "other", what } : { verdict: "other", what, hint };
  }
  if (looksLikeWalSegment(head)) return { verdict: "other", what: "a file of an etcd write-ahead log", hint: DATABASE_HINT };
  if (looksLikeRaftSnapshot(head)) return { verdict: "other", what: "an etcd raft snapshot file", hint: DATABASE_HINT };
  if (head.every((byte) => byte === 0)) {
    return { verdict: "zeros", what: "a file that begins with zeros only", hint: "What it held was never written, or is lost: fetch the file again." };
  }
  return textKind(head) ?? { verdict: "maybe", what: "a database" };
}

/** A file that is no whole database: `message` is the file's name, " is " and `what`. */
export class UnusableFileError extends EtcdsafeError {
  readonly what: string;

  constructor(code: ErrorCode, path: string, what: string, details: { readonly hint?: string; readonly cause?: unknown } = {}) {
    super(code, `${path} is ${what}`, details);
    this.name = "UnusableFileError";
    this.what = what;
  }

  /** The same about a file of another name. */
  renamed(path: string): UnusableFileError {
    return new UnusableFileError(this.code, path, this.what, { hint: this.hint, cause: this.cause });
  }
}

/** The error for a file that is no database. `cause` is why it cannot be opened as one. */
export function notADatabase(path: string, { verdict, what, hint }: SnapshotKind, cause?: FormatError): UnusableFileError {
  const details = { ...(hint === undefined ? {} : { hint }), cause };
  if (verdict === "maybe")
    return new UnusableFileError("SNAPSHOT_NOT_A_DATABASE", path, `no etcd database${cause === undefined ? "" : `: ${cause.what}`}`, details);
  const code = verdict === "empty" ? "SNAPSHOT_EMPTY" : verdict === "packed" ? "SNAPSHOT_PACKED" : "SNAPSHOT_NOT_A_DATABASE";
  return new UnusableFileError(code, path, what, details);
}

/** The error for a database of which no meta page can be used, so that nothing in it can be found. */
export function damagedMetas(path: string, cause: FormatError): UnusableFileError {
  return new UnusableFileError("SNAPSHOT_DAMAGED", path, `a bbolt database that cannot be opened: ${cause.what}`, { hint: "Use another backup.", cause });
}

/** The error for a database that ends too early. `neededBytes` is what its own meta page says. */
export function truncatedSnapshot(path: string, sizeBytes: number, neededBytes: number): UnusableFileError {
  const sizes = `it ends after ${sizeBytes} of ${neededBytes} bytes`;
  if (path.endsWith(".part")) {
    const hint = "etcdctl renames it when the download is complete. Save a new snapshot, or fetch the finished file.";
    return new UnusableFileError("SNAPSHOT_TRUNCATED", path, `the .part file of an unfinished download: ${sizes}`, { hint });
  }
  return new UnusableFileError("SNAPSHOT_TRUNCATED", path, `cut short: ${sizes}`);
}

function textKind(head: Uint8Array): SnapshotKind | undefined {
  const text = textOf(head)?.trim();
  if (text === undefined) return undefined;
  const hint = "Whatever fetched it stored an answer instead of the file; look into it.";
  if (/^<(!doctype\s+html|html)/i.test(text)) return { verdict: "text", what: `an HTML page${titleOf(text)}`, hint };
  if (text === "") return { verdict: "text", what: "a text file of nothing but white space", hint };
  const begins = `that begins “${beginningOf(text)}”`;
  if (text.startsWith("<")) return { verdict: "text", what: `an XML document ${begins}`, hint };
  if (/^[{[]/.test(text)) return { verdict: "text", what: `a JSON document ${begins}`, hint };
  return {
    verdict: "text",
    what: `a text file ${begins}`,
    hint: "Name the snapshot itself. If this was to be it, whatever fetched it stored an answer instead; look into it.",
  };
}

/** Undefined for what is no text: not UTF-8, or with control characters. Its last character may be cut in two. */
function textOf(head: Uint8Array): string | undefined {
  if (!head.every((byte) => (byte >= 0x20 && byte !== 0x7f) || byte === 0x09 || byte === 0x0a || byte === 0x0d)) return undefined;
  try {
    return new TextDecoder("utf-8", { fatal: true }).decode(head, { stream: true });
  } catch {
    return undefined;
  }
}

const BEGINNING_LENGTH = 60;

/** Enough of the first line to know the text by. */
function beginningOf(text: string): string {
  const line = text.split(/[\r\n]/, 1)[0]!.trim();
  return line.length <= BEGINNING_LENGTH ? line : `${line.slice(0, BEGINNING_LENGTH)}…`;
}

function titleOf(html: string): string {
  const title = /<title>\s*([^<]{1,80}?)\s*<\/title>/i.exec(html)?.[1];
  return title === undefined ? "" : ` titled “${title}”`;
}

function startsWith(bytes: Uint8Array, magic: readonly number[] | string): boolean {
  const expected = typeof magic === "string" ? Buffer.from(magic, "latin1") : Uint8Array.from(magic);
  return bytes.length >= expected.length && expected.every((byte, index) => bytes[index] === byte);
}
