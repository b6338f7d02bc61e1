// Files and directories made durable.
import { open } from "node:fs/promises";

/** Waits until the entries of a directory are on the disk: a file that was created, renamed or removed there stays so. */
export async function syncDirectory(path: string): Promise<void> {
  const directory = await open(path, "r");
  try {
    await directory.sync();
  } finally {
    await directory.close();
  }
}
