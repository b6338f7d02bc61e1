// Files that hold one secret and nothing else, as Kubernetes mounts them.
import { readFile } from "node:fs/promises";
import { whyUnreadable } from "./unreadable.ts";

const SECRET_SIZE_BYTES_MAX = 4096;

/** The secret; a newline at the end of the file is not part of it. `refused` completes "FILE …", and repeats nothing of what is in it. */
export type ReadSecret = { readonly secret: string } | { readonly refused: string };

/** `what`: "a password". */
export async function readSecretFile(path: string, what: string): Promise<ReadSecret> {
  let text: string;
  try {
    text = (await readFile(path)).toString("utf8");
  } catch (error) {
    return { refused: `cannot be read: ${whyUnreadable(error)}` };
  }
  const secret = text.replace(/\r?\n$/, "");
  if (secret === "") return { refused: "is empty" };
  if (Buffer.byteLength(text) > SECRET_SIZE_BYTES_MAX || /[\r\n]/.test(secret)) return { refused: `holds more than one line with ${what}` };
  return { secret };
}
