// What is being written to a local repository, or was when its process died: one directory each, whose name tells the key, with the file in it.
import { readdir, rm, stat } from "node:fs/promises";
import { join } from "node:path";
import type { Runtime } from "../runtime.ts";
import type { UnfinishedUploads } from "./capabilities.ts";
import { ifExists, inFileSystem } from "./file-errors.ts";
import { nameOfPart, partOfName, WORK_DIRECTORY } from "./file-paths.ts";

const RANDOM_SIZE_BYTES = 12;
const NAME = /^[0-9a-f]{24}(?:-(.+))?$/;
/** File systems take 255 bytes, some that encrypt names about 140; a longer key is not told. */
const NAME_LENGTH_MAX = 140;

export function unfinishedDirectory(root: string): string {
  return join(root, WORK_DIRECTORY, "unfinished");
}

/** A new name, for the directory and for the file in it. */
export function unfinishedName(key: string, randomBytes: Runtime["randomBytes"]): string {
  const random = Buffer.from(randomBytes(RANDOM_SIZE_BYTES)).toString("hex");
  const name = `${random}-${nameOfPart(key)}`;
  return name.length > NAME_LENGTH_MAX ? random : name;
}

export function unfinishedFiles(root: string): UnfinishedUploads {
  const unfinished = unfinishedDirectory(root);
  return {
    async *list(prefix, { signal }) {
      const names = (await inFileSystem(root, "list unfinished files", () => ifExists(readdir(unfinished)))) ?? [];
      for (const uploadId of names.sort()) {
        signal.throwIfAborted();
        const key = partOfName(NAME.exec(uploadId)?.[1] ?? "");
        if (key === undefined || key === "" || !key.startsWith(prefix)) continue;
        const stats = await inFileSystem(root, "list unfinished files", () => ifExists(stat(join(unfinished, uploadId))));
        if (stats !== undefined) yield { key, uploadId, startedAt: stats.mtime };
      }
    },
    abort: async ({ key, uploadId }, { signal }) => {
      signal.throwIfAborted();
      await inFileSystem(root, `remove the unfinished ${key}`, () => rm(join(unfinished, uploadId), { recursive: true, force: true }));
    },
  };
}
