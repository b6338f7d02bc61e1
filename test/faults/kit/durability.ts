// What a power failure could still take back of what a process did to files: replayed from its recorded effects, by the rules of POSIX, where
// a file's sync keeps its content and who may use it, and a directory's sync the names in it. Removals are not asked to last.
import { dirname } from "node:path";
import type { RecordedEffect } from "./crash-effects.ts";

interface Node {
  /** Numbers of the records of its last change, and of the last change that a sync has kept. */
  changedAt: number;
  keptUntil: number;
  /** Records at which syncs began that have not ended. */
  readonly syncing: number[];
}

/**
 * Files whose content, and directories whose entries, are not known to be on the disk after the first `count` of `effects`; sorted. What was opened
 * for writing is taken to have been created; paths must be absolute.
 */
export function unsyncedAfter(effects: readonly RecordedEffect[], count: number = effects.length): string[] {
  const nodes = new Map<string, Node>();
  effects.slice(0, count).forEach((effect, index) => {
    if (!effect.path.endsWith(" (deleted)")) replay(nodes, effect, index + 1); // Of a file without a name nothing is to last.
  });
  const unsynced = [...nodes].filter(([, { changedAt, keptUntil }]) => changedAt > keptUntil);
  return unsynced.map(([path]) => path).sort();
}

function replay(nodes: Map<string, Node>, { kind, path, from, ended }: RecordedEffect, at: number): void {
  const node = (name: string): Node => {
    const found = nodes.get(name) ?? { changedAt: 0, keptUntil: 0, syncing: [] };
    nodes.set(name, found);
    return found;
  };
  const change = (name: string) => {
    node(name).changedAt = at;
  };
  // Counted at both ends: a sync that begins while it goes on does not keep it.
  if (kind === "write" || kind === "truncate" || kind === "access") change(path);
  if (kind === "sync" && !ended) node(path).syncing.push(at);
  if (!ended) return;
  if (kind === "sync") {
    const synced = node(path);
    synced.keptUntil = Math.max(synced.keptUntil, synced.syncing.shift() ?? 0);
  }
  const created = kind === "mkdir" || ((kind === "open" || kind === "copy") && !nodes.has(path));
  if (created || kind === "rename" || kind === "link") change(dirname(path));
  if (kind === "copy" || (kind === "open" && created)) change(path);
  if (kind === "mkdir") node(path);
  if (kind === "link") nodes.set(path, node(from!));
  if (kind === "unlink" || kind === "rm") for (const [name] of below(nodes, path)) nodes.delete(name);
  if (kind !== "rename") return;
  change(dirname(from!));
  for (const [name] of below(nodes, path)) nodes.delete(name);
  for (const [name, moved] of below(nodes, from!)) {
    nodes.delete(name);
    nodes.set(path + name.slice(from!.length), moved);
  }
}

function below(nodes: ReadonlyMap<string, Node>, path: string): [string, Node][] {
  return [...nodes].filter(([name]) => name === path || name.startsWith(`${path}/`));
}
