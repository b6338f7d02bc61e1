// Carries a Dockerfile's steps out without a container engine: each stage is a directory, FROM gives it nothing but what this machine has on its PATH, RUN is a shell's
// work in it, COPY copies. It knows the instructions that ours has, and stops at any other.
import { cp, mkdir, readdir, readFile, stat } from "node:fs/promises";
import { basename, join } from "node:path";
import { outputOf } from "../support/command.ts";

export interface Instruction {
  readonly name: string;
  /** With its continued lines in one. */
  readonly text: string;
}

export interface BuiltImage {
  /** The directory that is the image's root. */
  readonly root: string;
  readonly base: string;
  readonly entrypoint: readonly string[];
  readonly command: readonly string[];
  readonly environment: Readonly<Record<string, string>>;
  readonly labels: Readonly<Record<string, string>>;
  readonly user: string;
  /** Undefined where there is none, or NONE. */
  readonly healthcheck: Healthcheck | undefined;
}

export interface Healthcheck {
  readonly command: readonly string[];
  /** As they are written: interval, timeout, start-period, retries. */
  readonly options: Readonly<Record<string, string>>;
}

export interface BuildOptions {
  /** The directory that would be sent to the builder; what its .dockerignore lets through is all that can be copied. */
  readonly context: string;
  /** Where the stages go. */
  readonly directory: string;
  readonly environment: NodeJS.ProcessEnv;
  /** Carries out a RUN in another way; false leaves it to the shell. */
  readonly instead?: (stage: string, command: string, directory: string) => Promise<boolean>;
}

export function parseDockerfile(text: string): Instruction[] {
  const lines = text.split("\n").filter((line) => !line.startsWith("#") && line.trim() !== "");
  const joined = lines.join("\n").replaceAll(/\\\n\s*/g, " ");
  return joined.split("\n").map((line) => {
    const [, name, rest] = /^([A-Z]+) (.*)$/.exec(line)!;
    return { name: name!, text: rest! };
  });
}

export async function buildImage(options: BuildOptions): Promise<BuiltImage> {
  const instructions = parseDockerfile(await readFile(join(options.context, "Dockerfile"), "utf8"));
  const sent = await sentFiles(options.context);
  const stages = new Map<string, string>();
  let [stage, workdir, base] = ["", "/", ""];
  const image = { entrypoint: [""], command: [""], environment: {}, labels: {}, user: "", healthcheck: undefined };
  const at = (path: string) => (path.startsWith("/") ? join(stages.get(stage)!, path) : join(stages.get(stage)!, workdir, path));
  const steps: Record<string, (text: string) => Promise<void> | void> = {
    FROM: async (text) => {
      const [from, , name] = text.split(" ");
      [stage, workdir, base] = [name ?? "image", "/", from!];
      stages.set(stage, join(options.directory, stage));
      await mkdir(at("/"), { recursive: true });
    },
    WORKDIR: async (text) => {
      workdir = text;
      await mkdir(at("."), { recursive: true });
    },
    COPY: async (text) => {
      const [, from, paths] = /^(?:--from=(\S+) )?(.*)$/.exec(text)!;
      const sources = paths!.split(" ");
      const target = sources.pop()!;
      for (const source of sources) {
        if (from === undefined && !sent(source)) throw new Error(`.dockerignore keeps ${source} from the builder`);
        if (from === undefined) await copy(join(options.context, source), source, at(target), target);
        else await linkAll(join(stages.get(from)!, source), at(target));
      }
    },
    RUN: async (command) => {
      if (await options.instead?.(stage, command, at("."))) return;
      await outputOf("sh", ["-c", command], { cwd: at("."), env: options.environment, limitMs: 180_000 });
    },
    ENTRYPOINT: (text) => void Object.assign(image, { entrypoint: JSON.parse(text) }),
    CMD: (text) => void Object.assign(image, { command: JSON.parse(text) }),
    ENV: (text) => void Object.assign(image.environment, pairs(text)),
    LABEL: (text) => void Object.assign(image.labels, pairs(text)),
    USER: (text) => void Object.assign(image, { user: text }),
    HEALTHCHECK: (text) => void Object.assign(image, { healthcheck: healthcheck(text) }),
  };
  for (const { name, text } of instructions) {
    const step = steps[name];
    if (step === undefined) throw new Error(`no way is known to carry out ${name}`);
    await step(text);
  }
  return { ...image, root: at("/"), base };
}

/** As COPY does: of a directory what is in it, of a file the file, into a directory where the target ends in a slash. */
async function copy(from: string, source: string, to: string, target: string): Promise<void> {
  if ((await stat(from)).isDirectory()) return await cp(from, to, { recursive: true, verbatimSymlinks: true });
  const into = /(^|\/)\.?\/?$/.test(target) ? join(to, basename(source)) : to;
  await mkdir(join(into, ".."), { recursive: true });
  await cp(from, into);
}

/** Between stages, which nobody writes to afterwards: the same files by a second name, of which there are tens of thousands. */
async function linkAll(from: string, to: string): Promise<void> {
  await mkdir(to, { recursive: true });
  await outputOf("cp", ["--archive", "--link", `${from}/.`, to]);
}

/** A .dockerignore that keeps everything back but the paths that it names. */
async function sentFiles(context: string): Promise<(path: string) => boolean> {
  const lines = (await readFile(join(context, ".dockerignore"), "utf8")).split("\n").filter((line) => line !== "" && !line.startsWith("#"));
  const [first, ...allowed] = lines;
  if (first !== "*" || !allowed.every((line) => line.startsWith("!"))) throw new Error(".dockerignore is not of the form that is understood here");
  return (path) => allowed.includes(`!${path}`);
}

function pairs(text: string): Record<string, string> {
  return Object.fromEntries([...text.matchAll(/(\S+?)="([^"]*)"/g)].map(([, name, value]) => [name!, value!]));
}

/** Of the form that needs no shell. */
function healthcheck(text: string): Healthcheck | undefined {
  if (text === "NONE") return undefined;
  const [, options, command] = /^((?:--\S+=\S+ )*)CMD (\[.*\])$/.exec(text)!;
  return { command: JSON.parse(command!), options: Object.fromEntries([...options!.matchAll(/--(\S+)=(\S+)/g)].map(([, name, value]) => [name!, value!])) };
}

/** Every package below a node_modules, as package-lock.json names their places. */
export async function packagesIn(directory: string, place = "node_modules"): Promise<string[]> {
  const found: string[] = [];
  for (const entry of await readdir(join(directory, place), { withFileTypes: true })) {
    if (!entry.isDirectory() || entry.name.startsWith(".")) continue;
    const below = `${place}/${entry.name}`;
    if (entry.name.startsWith("@")) {
      for (const name of await readdir(join(directory, below))) found.push(...(await onePackage(directory, `${below}/${name}`)));
    } else found.push(...(await onePackage(directory, below)));
  }
  return found;
}

async function onePackage(directory: string, place: string): Promise<string[]> {
  const nested = await stat(join(directory, place, "node_modules")).catch(() => undefined);
  return [place, ...(nested === undefined ? [] : await packagesIn(directory, `${place}/node_modules`))];
}
