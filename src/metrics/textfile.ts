// A file for node_exporter's textfile collector, which several runs write, one after the other and at the same time: of several clusters, and of several
// actions. What a run says is added to what the file says by the rule of subject.ts. The file appears whole, by rename, or stays as it was.
import { constants } from "node:fs";
import { type FileHandle, open, realpath, rename, unlink } from "node:fs/promises";
import { dirname } from "node:path";
import { partPath } from "../bytes/part-path.ts";
import { EtcdsafeError } from "../errors.ts";
import type { CallOptions, Runtime } from "../runtime.ts";
import { type Family, parseExposition, renderExposition } from "./exposition.ts";
import { subjectKey } from "./subject.ts";
import { inTurn } from "./turn.ts";

export interface TextfileOptions extends CallOptions {
  readonly runtime: Pick<Runtime, "sleep" | "randomBytes">;
}

export interface TextfileResult {
  /** Lines of the file before that could not be read, so that what they said is no longer there. */
  readonly unreadableLines: number;
}

/** By this the file is known as etcdsafe's, even where it is damaged. */
const FIRST_LINE = "# Written by etcdsafe, which adds to it what each run says. Delete it to begin anew.";
const OUR_PREFIX = "etcdsafe_";
/** node_exporter runs as another user. */
const MODE = 0o644;
/** That of thousands of clusters. */
const SIZE_BYTES_MAX = 16 * 1024 * 1024;
const OTHERS_HINT = "Name a file of its own, ending in .prom, in the directory that node_exporter reads; nothing was written.";

/** Throws CONFIG_INVALID for a file of somebody else's, which stays as it is, FILE_FAILED for what cannot be read or written. */
export async function writeTextfile(path: string, text: string, { signal, runtime }: TextfileOptions): Promise<TextfileResult> {
  try {
    const target = await realpath(path).catch(() => path); // A rename would replace a link, not what it leads to.
    return await inTurn(target, { signal, runtime }, async () => {
      const { families, unreadable } = ownFamilies(path, await contentOf(path, target));
      const merged = mergeFamilies(families, parseExposition(text).families);
      await replace(target, `${FIRST_LINE}\n${renderExposition(merged)}`, runtime);
      return { unreadableLines: unreadable };
    });
  } catch (error) {
    signal.throwIfAborted();
    if (error instanceof EtcdsafeError) throw error;
    const { code, message } = error as NodeJS.ErrnoException;
    const hint = code === "ENOENT" ? `Create ${dirname(path)}, and give it to node_exporter with --collector.textfile.directory.` : undefined;
    throw new EtcdsafeError("FILE_FAILED", `cannot write the metrics to ${path}: ${message}`, { cause: error, ...(hint !== undefined && { hint }) });
  }
}

/** All that both say, what is said now in the place of what was said of the same; ordered by name, as nobody is to look for changes where there are none. */
function mergeFamilies(before: ReadonlyMap<string, Family>, now: ReadonlyMap<string, Family>): readonly Family[] {
  const names = [...new Set([...before.keys(), ...now.keys()])].sort();
  return names.map((name) => {
    const said = now.get(name);
    const subjects = new Set(said?.series.map(({ labels }) => subjectKey(labels)));
    const kept = withoutDoubles(before.get(name)?.series ?? []).filter(({ labels }) => !subjects.has(subjectKey(labels)));
    return { name, head: said?.head ?? before.get(name)?.head ?? [], series: [...kept, ...(said?.series ?? [])] };
  });
}

/** Of the same labels the last: a file with two is refused as a whole by node_exporter. */
function withoutDoubles(series: Family["series"]): Family["series"] {
  return [...new Map(series.map((each) => [JSON.stringify(Object.entries(each.labels).sort()), each])).values()];
}

function ownFamilies(path: string, content: string) {
  // Nothing, or what a power failure left of a file that was not on the disk.
  if (/^[\s\0]*$/.test(content)) return parseExposition("");
  if (!content.startsWith(`${FIRST_LINE}\n`)) throw ofOthers(path, "was not written by etcdsafe");
  const parsed = parseExposition(content);
  const others = [...parsed.families.keys()].find((name) => !name.startsWith(OUR_PREFIX));
  if (others !== undefined) throw ofOthers(path, `also holds metrics of others (${others})`);
  return parsed;
}

/** "" where there is none. */
async function contentOf(path: string, target: string): Promise<string> {
  let file: FileHandle;
  try {
    file = await open(target, constants.O_RDONLY | constants.O_NONBLOCK); // Of a pipe, an answer at once.
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return "";
    throw error;
  }
  try {
    const stats = await file.stat();
    if (!stats.isFile()) throw ofOthers(path, "is no regular file");
    if (stats.size > SIZE_BYTES_MAX) throw ofOthers(path, `holds ${stats.size} bytes, which no file of etcdsafe's does`);
    return await file.readFile("utf8");
  } finally {
    await file.close();
  }
}

async function replace(target: string, content: string, runtime: Pick<Runtime, "randomBytes">): Promise<void> {
  const part = partPath(target, runtime); // Its name does not end in .prom: node_exporter leaves it alone.
  const file = await open(part, "wx", MODE);
  try {
    try {
      await file.chmod(MODE); // Whatever the umask is.
      await file.writeFile(content);
      await file.sync();
    } finally {
      await file.close();
    }
    await rename(part, target);
  } catch (error) {
    await unlink(part).catch(() => undefined);
    throw error;
  }
}

function ofOthers(path: string, why: string): EtcdsafeError {
  return new EtcdsafeError("CONFIG_INVALID", `metrics cannot go to ${path}: it ${why}`, { hint: OTHERS_HINT });
}
