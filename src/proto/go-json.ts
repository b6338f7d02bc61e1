// JSON as Go's encoding/json writes and reads it: etcd keeps it in the buckets `members` and `meta`, in the WAL and in the .snap file.
// Two things differ from JavaScript's own: what is escaped, and that unsigned 64-bit numbers keep all their digits.

/** A JSON string literal as json.Marshal writes it (`encoding/json/encode.go` appendString, with HTML escaping; etcd-formats §3.5). */
export function goJsonString(text: string): string {
  return JSON.stringify(text.toWellFormed()).replace(/[<>&\u2028\u2029]/g, (char) => `\\u${char.charCodeAt(0).toString(16).padStart(4, "0")}`);
}

export function goJsonStrings(texts: readonly string[]): string {
  return `[${texts.map(goJsonString).join(",")}]`;
}

const TEXT = new TextDecoder("utf-8", { fatal: true });
/** Digits of the longest 64-bit integer, with its sign. Longer numbers are none of etcd's. */
const INTEGER_DIGITS_MAX = 20;

/** The value of a JSON text, every integer as a bigint; undefined when it is no JSON or longer than `sizeBytesMax`. */
export function parseGoJson(bytes: Uint8Array, sizeBytesMax: number): unknown {
  if (bytes.length > sizeBytesMax) return undefined;
  try {
    return JSON.parse(TEXT.decode(bytes), integersAsBigint as (this: unknown, key: string, value: unknown) => unknown);
  } catch {
    return undefined; // A syntax error, bytes that are no UTF-8, or nesting deeper than the stack: all of them are no JSON of etcd's.
  }
}

/** An object of parsed JSON by its fields; undefined for every other value. */
export function jsonObject(value: unknown): ReadonlyMap<string, unknown> | undefined {
  return typeof value === "object" && value !== null && !Array.isArray(value) ? new Map(Object.entries(value)) : undefined;
}

/** An array of parsed JSON, all of whose elements pass `is`. Go writes a nil slice as null and leaves an empty one out: both are the empty array. */
export function jsonArray<T>(value: unknown, is: (element: unknown) => element is T): readonly T[] | undefined {
  if (value === undefined || value === null) return [];
  return Array.isArray(value) && value.every(is) ? value : undefined;
}

export function isString(value: unknown): value is string {
  return typeof value === "string";
}

/** Whether a value of parsed JSON is an unsigned 64-bit number. */
export function isUint64(value: unknown): value is bigint {
  return typeof value === "bigint" && value >= 0n && value <= 0xffff_ffff_ffff_ffffn;
}

/** Source text access (V8 12): a number's own digits, before they are rounded to a double. TypeScript's library does not know the third argument yet. */
function integersAsBigint(_key: string, value: unknown, context: { readonly source?: string }): unknown {
  const { source } = context;
  return typeof value === "number" && source !== undefined && source.length <= INTEGER_DIGITS_MAX && /^-?\d+$/.test(source) ? BigInt(source) : value;
}
