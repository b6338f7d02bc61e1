// The file of `verify --junit`: written beside and renamed, so that whoever finds it finds all of it.
import { open, rename, rm, stat } from "node:fs/promises";
import { dirname, resolve } from "node:path";
import { partPath } from "../bytes/part-path.ts";
import { EtcdsafeError } from "../errors.ts";
import type { Runtime } from "../runtime.ts";

/** Throws FILE_FAILED for a path that could not be written, before there is anything to write. */
export async function requireJunitPlace(path: string): Promise<void> {
  const found = await statOf(path);
  // A rename would put a file in the place of a device or a pipe.
  if (found !== undefined && !found.isFile())
    throw new EtcdsafeError("FILE_FAILED", `--junit: ${path} is ${found.isDirectory() ? "a directory" : "no regular file, and would be replaced by one"}`, {
      hint: "Name the file to write.",
    });
  const directory = dirname(resolve(path));
  if ((await statOf(directory))?.isDirectory()) return;
  throw new EtcdsafeError("FILE_FAILED", `--junit: ${path} cannot be written: there is no directory ${directory}`, {
    hint: `Create it (\`mkdir -p ${directory}\`), or name a file in a directory that exists.`,
  });
}

/** A file that is there is replaced. Throws FILE_FAILED. */
export async function writeJunitFile(path: string, xml: string, runtime: Pick<Runtime, "randomBytes">): Promise<void> {
  const part = partPath(resolve(path), runtime);
  try {
    {
      await using file = await open(part, "wx");
      await file.writeFile(xml);
      await file.sync();
    }
    await rename(part, resolve(path));
  } catch (error) {
    await rm(part, { force: true }).catch(() => undefined); // What kept it from being written is more.
    throw new EtcdsafeError("FILE_FAILED", `--junit: ${path} cannot be written: ${(error as Error).message}`, { cause: error });
  }
}

async function statOf(path: string) {
  return stat(path).catch((error: NodeJS.ErrnoException) => {
    if (error.code === "ENOENT" || error.code === "ENOTDIR") return undefined;
    throw new EtcdsafeError("FILE_FAILED", `--junit: ${error.message}`, { cause: error });
  });
}
