// Credentials as Gardener's etcd-backup-restore is given them (pkg/snapstore there): a JSON file, or a directory with one file per key, or with one
// whose name ends in .json.
import { readdir, readFile, stat } from "node:fs/promises";
import { join } from "node:path";
import { EtcdsafeError } from "../errors.ts";

/** `what` ("the Azure credentials") begins messages. Throws CONFIG_INVALID; never repeats what is in the file. */
export async function gardenerValues(what: string, path: string): Promise<ReadonlyMap<string, string>> {
  try {
    return await valuesIn(path);
  } catch (cause) {
    // What JSON.parse says repeats a part of the text.
    const why = cause instanceof SyntaxError ? "it is not a JSON object" : (cause as Error).message;
    throw new EtcdsafeError("CONFIG_INVALID", `${what} ${path} cannot be read: ${why}`, {
      hint: "It takes a JSON file or a directory as Gardener's etcd-backup-restore does.",
    });
  }
}

/** Changes whenever the credentials may have: Kubernetes swaps a link in the directory of a mounted secret. */
export async function gardenerVersion(path: string): Promise<string> {
  const files = (await stat(path)).isDirectory() ? (await readdir(path)).sort().map((name) => join(path, name)) : [path];
  const stats = await Promise.all(files.map((file) => stat(file, { bigint: true })));
  return stats.map(({ ino, mtimeNs, size }) => `${ino}-${mtimeNs}-${size}`).join(" ");
}

async function valuesIn(path: string): Promise<Map<string, string>> {
  if (!(await stat(path)).isDirectory()) return valuesOf(await readFile(path, "utf8"));
  const names = (await readdir(path, { withFileTypes: true })).filter((entry) => !entry.name.startsWith(".") && !entry.isDirectory()).map(({ name }) => name);
  const json = names.find((name) => name.endsWith(".json"));
  if (json !== undefined) return valuesOf(await readFile(join(path, json), "utf8"));
  return new Map(await Promise.all(names.map(async (name) => [name, (await readFile(join(path, name), "utf8")).trim()] as const)));
}

function valuesOf(text: string): Map<string, string> {
  const parsed: unknown = JSON.parse(text);
  if (typeof parsed !== "object" || parsed === null) throw new SyntaxError("no object");
  return new Map(Object.entries(parsed).map(([name, value]) => [name, String(value).trim()]));
}
