// JSON documents of a repository: bytes ↔ values, with the gate for newer formats. Fields and rules: docs/repository-format.md.
import type { z } from "zod";
import { collect, streamOf } from "../bytes/stream.ts";
import { type ErrorCode, EtcdsafeError, hasCode } from "../errors.ts";
import type { CallOptions } from "../runtime.ts";
import type { Storage } from "../storage/storage.ts";
import { FORMAT_VERSION } from "./schemas/common.ts";

/** docs/repository-format.md, "Types". */
export const DOCUMENT_SIZE_BYTES_MAX = 16 * 1024 * 1024;

/** Names in `requires` that this reader understands; version 1 defines none. */
const FEATURES: ReadonlySet<string> = new Set();

/** One kind of document: its schema and what to call a bad one. */
export interface DocumentKind<Schema extends z.ZodType> {
  readonly schema: Schema;
  /** For messages: "manifest", "restore record". */
  readonly label: string;
  readonly invalid: Extract<ErrorCode, "BUNDLE_INVALID" | "MANIFEST_INVALID" | "REPOSITORY_INVALID">;
  /** What to do about a bad one, where more can be said than for its code. */
  readonly wayOut?: string;
}

/** Bytes as a writer stores them: for people as much as for programs. Throws when the value does not fit its own schema. */
export function encodeDocument<Schema extends z.ZodType>(kind: DocumentKind<Schema>, key: string, value: z.input<Schema>): Uint8Array {
  return Buffer.from(`${JSON.stringify(parseValue(kind, key, value), undefined, 2)}\n`);
}

/** The document behind `bytes`. Throws REPOSITORY_UNSUPPORTED for a newer format, else `kind.invalid` for anything that does not fit. */
export function parseDocument<Schema extends z.ZodType>(kind: DocumentKind<Schema>, key: string, bytes: Uint8Array): z.output<Schema> {
  return parseValue(kind, key, parseJson(kind, key, bytes));
}

/** Reads and parses one document. Throws STORAGE_NOT_FOUND when there is none. */
export async function readDocument<Schema extends z.ZodType>(
  storage: Storage,
  kind: DocumentKind<Schema>,
  key: string,
  { signal }: CallOptions,
): Promise<z.output<Schema>> {
  const bytes = await collect(storage.read(key, { signal }), DOCUMENT_SIZE_BYTES_MAX, () =>
    invalid(kind, key, `it is longer than ${DOCUMENT_SIZE_BYTES_MAX} bytes`),
  );
  return parseDocument(kind, key, bytes);
}

/** Creates a document. Says false, and leaves things as they are, when its key exists already. */
export async function createDocument<Schema extends z.ZodType>(
  storage: Storage,
  kind: DocumentKind<Schema>,
  key: string,
  value: z.input<Schema>,
  { signal }: CallOptions,
): Promise<boolean> {
  try {
    await storage.put(key, streamOf(encodeDocument(kind, key, value)), { signal, ifAbsent: true });
    return true;
  } catch (error) {
    if (hasCode(error, "STORAGE_CONFLICT")) return false;
    throw error;
  }
}

function parseJson(kind: DocumentKind<z.ZodType>, key: string, bytes: Uint8Array): unknown {
  let text: string;
  try {
    text = new TextDecoder("utf-8", { fatal: true }).decode(bytes);
  } catch {
    throw invalid(kind, key, "it is not UTF-8");
  }
  try {
    return JSON.parse(text);
  } catch (cause) {
    throw invalid(kind, key, `it is not JSON (${(cause as Error).message})`);
  }
}

function parseValue<Schema extends z.ZodType>(kind: DocumentKind<Schema>, key: string, value: unknown): z.output<Schema> {
  refuseNewer(kind, key, value);
  const result = kind.schema.safeParse(value);
  if (result.success) return result.data;
  const { path, message } = result.error.issues[0]!;
  const fault = message.replace(/^Invalid input: /, "");
  throw invalid(kind, key, path.length === 0 ? fault : `${path.join(".")}: ${fault}`);
}

/** Before the schema: a newer format may differ in every field but these two. */
function refuseNewer(kind: DocumentKind<z.ZodType>, key: string, value: unknown): void {
  const { format, requires } = (value ?? {}) as { format?: unknown; requires?: unknown };
  if (typeof format === "number" && format !== FORMAT_VERSION) {
    throw new EtcdsafeError("REPOSITORY_UNSUPPORTED", `${key}: this ${kind.label} has format ${format}, and this etcdsafe knows ${FORMAT_VERSION}`);
  }
  const unknown = Array.isArray(requires) ? requires.filter((name) => !FEATURES.has(name)) : [];
  if (unknown.length > 0) {
    throw new EtcdsafeError("REPOSITORY_UNSUPPORTED", `${key}: this ${kind.label} requires ${unknown.join(", ")}, which this etcdsafe does not know`);
  }
}

function invalid(kind: DocumentKind<z.ZodType>, key: string, why: string): EtcdsafeError {
  return new EtcdsafeError(kind.invalid, `${key} is not a valid ${kind.label}: ${why}`, kind.wayOut === undefined ? {} : { hint: kind.wayOut });
}
