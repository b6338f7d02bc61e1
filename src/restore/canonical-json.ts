// One text for one JSON value, whatever order its keys came in: to be hashed.

/** Without blanks, keys in the order of their UTF-16 units, as RFC 8785 sorts them. `value` holds what JSON can hold; keys without a value are left out. */
export function canonicalJson(value: unknown): string {
  return JSON.stringify(value, (_key, each: unknown) =>
    typeof each === "object" && each !== null && !Array.isArray(each)
      ? Object.fromEntries(Object.entries(each).toSorted(([a], [b]) => (a < b ? -1 : 1)))
      : each,
  );
}
