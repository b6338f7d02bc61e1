// Runs a Pod's container as a node does, as far as this machine can without one: its command, arguments, environment and user are those of the manifest, its volumes are
// directories, and where the manifest names a place in one of them, the run is given the place of the directory.
import { chmod, chown, cp, mkdir, readFile, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { NODE } from "../support/cli.ts";
import { type CommandOptions, type CommandResult, type RunningCommand, runCommand, startCommand } from "../support/command.ts";
import { parseDockerfile } from "./dockerfile.ts";
import type { KubernetesObject } from "./kubernetes-api.ts";

const ROOT = fileURLToPath(new URL("../..", import.meta.url));
const TERMINATION_LOG = "/dev/termination-log";
const DEPLOYMENT_LIMIT_MS = 120_000;

/** What is outside of the manifests. */
export interface Surroundings {
  /** Contents by name and key. */
  readonly secrets: Readonly<Record<string, Readonly<Record<string, string>>>>;
  /** Files of the node: where they are in truth. */
  readonly hostFiles?: Readonly<Record<string, string>>;
  /** Directories by the claim's name. */
  readonly claims?: Readonly<Record<string, string>>;
}

export interface Ended extends CommandResult {
  /** What Kubernetes would show as the container's message. */
  readonly terminationMessage: string;
}

/** One run of a CronJob's Pod among the objects; `directory`, which is to be new, holds its volumes. */
export async function runCronJob(objects: readonly KubernetesObject[], name: string, around: Surroundings, directory: string): Promise<Ended> {
  const pod = objectNamed(objects, "CronJob", name)["spec"].jobTemplate.spec.template.spec;
  const { file, args, options, message } = await prepared(pod, objects, around, directory);
  const ended = await runCommand(file, args, options);
  return { ...ended, terminationMessage: await readFile(message, "utf8") };
}

/** One Pod of a Deployment among the objects, which answers at `port` instead of the container's own; `directory` as above. */
export async function startDeployment(
  objects: readonly KubernetesObject[],
  name: string,
  { port, ...around }: Surroundings & { readonly port: number },
  directory: string,
): Promise<RunningCommand> {
  const pod = objectNamed(objects, "Deployment", name)["spec"].template.spec;
  const { file, args, options } = await prepared(pod, objects, around, directory);
  const [{ containerPort }] = pod.containers[0].ports;
  const env = Object.fromEntries(
    Object.entries(options.env).map(([variable, value]) => [variable, value.replace(new RegExp(`(?<=^[\\d.]*:)${containerPort}$`), String(port))]),
  );
  return startCommand(file, args, { ...options, env, limitMs: DEPLOYMENT_LIMIT_MS });
}

interface Prepared {
  readonly file: string;
  readonly args: readonly string[];
  readonly options: CommandOptions & { readonly env: Readonly<Record<string, string>> };
  /** Where the container writes what Kubernetes would show as its message. */
  readonly message: string;
}

// biome-ignore lint/suspicious/noExplicitAny: the schema has been held against it.
async function prepared(pod: any, objects: readonly KubernetesObject[], around: Surroundings, directory: string): Promise<Prepared> {
  const [container] = pod.containers;
  const places = new Map<string, string>();
  await mkdir(directory, { recursive: true });
  await chmod(directory, 0o755);
  for (const { name: volume, mountPath } of container.volumeMounts) {
    const source = pod.volumes.find((each: { name: string }) => each.name === volume);
    places.set(mountPath, await materialised(source, around, join(directory, volume), pod.securityContext.fsGroup));
  }
  const message = join(directory, "termination-log");
  await writeFile(message, "");
  await chmod(message, 0o666);
  places.set(TERMINATION_LOG, message);
  const env: Record<string, string> = { ETCDSAFE_TERMINATION_LOG: TERMINATION_LOG, ...(await imageEnvironment()) };
  for (const { configMapRef } of container.envFrom ?? []) Object.assign(env, objectNamed(objects, "ConfigMap", configMapRef.name)["data"]);
  for (const { name: variable, value, valueFrom } of container.env ?? []) {
    const set = valueFrom === undefined ? value : secretValue(valueFrom.secretKeyRef, around);
    if (set !== undefined) env[variable] = set;
  }
  const mapped = (text: string) => withPlaces(text, places);
  const here = Object.fromEntries(Object.entries(env).map(([variable, value]) => [variable, mapped(value)]));
  const { SSL_CERT_FILE: _, ...environment } = here; // The image's own.
  const command = [NODE, join(ROOT, "bin/etcdsafe.js"), ...container.args.map((arg: string) => mapped(arg.replace(/^--jitter=.*/, "--jitter=1s")))];
  const [file, ...args] = [...asUser(pod.securityContext, container.securityContext), ...command];
  return { file: file!, args, options: { env: environment, cwd: directory }, message };
}

export function objectNamed(objects: readonly KubernetesObject[], kind: string, name: string): KubernetesObject {
  const found = objects.filter((object) => object.kind === kind && object.metadata.name === name);
  if (found.length === 1) return found[0]!;
  throw new Error(`there are ${found.length} objects ${kind} ${name}`);
}

interface Volume {
  readonly secret?: { readonly secretName: string; readonly defaultMode: number };
  readonly hostPath?: { readonly path: string };
  readonly persistentVolumeClaim?: { readonly claimName: string };
  readonly emptyDir?: object;
}

/** Where the volume is on this machine. A Secret's files belong to root and to the Pod's group, as kubelet makes them. */
async function materialised(volume: Volume, around: Surroundings, place: string, fsGroup: number): Promise<string> {
  if (volume.hostPath !== undefined) return around.hostFiles?.[volume.hostPath.path] ?? missing(`the file ${volume.hostPath.path}`);
  if (volume.persistentVolumeClaim !== undefined) {
    return around.claims?.[volume.persistentVolumeClaim.claimName] ?? missing(`the claim ${volume.persistentVolumeClaim.claimName}`);
  }
  await mkdir(place);
  if (volume.emptyDir !== undefined) await chmod(place, 0o777);
  if (volume.secret === undefined) return place;
  const { secretName, defaultMode } = volume.secret;
  for (const [key, content] of Object.entries(around.secrets[secretName] ?? missing(`the Secret ${secretName}`))) {
    await writeFile(join(place, key), content);
    if (process.getuid?.() === 0) await chown(join(place, key), 0, fsGroup);
    await chmod(join(place, key), defaultMode);
  }
  return place;
}

/** Undefined where the variable is then not set. */
function secretValue({ name, key, optional }: { name: string; key: string; optional?: boolean }, { secrets }: Surroundings): string | undefined {
  return secrets[name]?.[key] ?? (optional ? undefined : missing(`${key} of the Secret ${name}`));
}

function missing(what: string): never {
  throw new Error(`${what} is not there: the Pod would not start`);
}

function withPlaces(text: string, places: ReadonlyMap<string, string>): string {
  const byLength = [...places.keys()].toSorted((a, b) => b.length - a.length);
  return text.replaceAll(new RegExp(`(?<=^|[=,])(${byLength.map(RegExp.escape).join("|")})(?=$|[/,])`, "g"), (place) => places.get(place)!);
}

/** Where the test is root: the manifest's user, with no other capability than the manifest leaves, which is none. */
function asUser(pod: { runAsUser: number; runAsGroup: number; fsGroup: number }, container: { capabilities: { drop: string[] } }): string[] {
  if (process.getuid?.() !== 0) return [];
  const capabilities = container.capabilities.drop.includes("ALL") ? ["--inh-caps=-all", "--bounding-set=-all"] : [];
  return ["setpriv", `--reuid=${pod.runAsUser}`, `--regid=${pod.runAsGroup}`, `--groups=${pod.fsGroup}`, ...capabilities, "--no-new-privs"];
}

async function imageEnvironment(): Promise<Record<string, string>> {
  const text = parseDockerfile(await readFile(join(ROOT, "Dockerfile"), "utf8")).find(({ name }) => name === "ENV")!.text;
  return Object.fromEntries([...text.matchAll(/(\S+?)="([^"]*)"/g)].map(([, name, value]) => [name!, value!]));
}

/** A node's files, at places of the test's own: root's alone, as kubeadm and k3s leave their keys. */
export async function nodeFiles(directory: string, files: Readonly<Record<string, string>>): Promise<Record<string, string>> {
  const placed: Record<string, string> = {};
  for (const [path, source] of Object.entries(files)) {
    placed[path] = join(directory, path);
    await mkdir(dirname(placed[path]), { recursive: true });
    await cp(source, placed[path]);
    await chmod(placed[path], 0o600);
  }
  return placed;
}
