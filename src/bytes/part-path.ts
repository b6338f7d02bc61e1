// The name under which a file is written until it is whole. Random, so that two that write the same file do not write into each other's.

const RANDOM_SIZE_BYTES = 6;

/** `path.<random>.part`, beside `path`. */
export function partPath(path: string, { randomBytes }: { randomBytes(sizeBytes: number): Uint8Array }): string {
  return `${path}.${Buffer.from(randomBytes(RANDOM_SIZE_BYTES)).toString("hex")}.part`;
}

/** What the file at `part` is to become. */
export function wholePath(part: string): string {
  return part.replace(/(\.[0-9a-f]{12})?\.part$/, "");
}
