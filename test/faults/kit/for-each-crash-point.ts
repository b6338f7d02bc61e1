// The driver of crash tests: records what a command does to files, then runs it again and again, killing it at another effect each time.
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import type { CommandResult } from "../../support/command.ts";
import { temporaryDirectory } from "../../support/temporary-directory.ts";
import { CRASH_VARIABLE, type CrashOrder, type Effect, type EffectMatch, effectMatches, type RecordedEffect } from "./crash-effects.ts";

/** What a child needs to be killed; for `runCli` and, with Node as the file, for `startCommand`. */
export interface CrashRun {
  readonly nodeArguments: readonly string[];
  /** To be added to the child's environment. */
  readonly env: Readonly<Record<string, string>>;
}

export interface CrashPoint extends CrashOrder {
  readonly effect: Effect;
}

export interface CrashSummary {
  /** Effects of the recorded, uninterrupted run that match. */
  readonly effects: readonly Effect[];
  /** Where a run was killed, in order of the effects. */
  readonly killedAt: readonly CrashPoint[];
  /** Runs that ended before they came to their point, as happens where threads race. */
  readonly notReached: number;
}

export interface CrashPointOptions {
  /** Number of runs at most. Fewer than there are points: every kind of effect gets its share, and of each kind an even spread. */
  readonly limit: number;
  /** Only effects of these kinds or paths are counted and killed at. */
  readonly match?: EffectMatch;
}

/**
 * `command` runs the child from a state it makes for itself each time; `check` looks at what a killed run left (and, with no point,
 * at what the uninterrupted one did), and throws when something is wrong.
 */
export async function forEachCrashPoint(
  command: (run: CrashRun) => Promise<CommandResult>,
  check: (result: CommandResult, point: CrashPoint | undefined) => Promise<void>,
  options: CrashPointOptions,
): Promise<CrashSummary> {
  const match = options.match ?? {};
  const recorded = await recordEffects(command);
  await check(recorded.result, undefined);
  const effects = recorded.effects.filter((effect) => effect.ended === undefined && effectMatches(effect, match));
  const killedAt: CrashPoint[] = [];
  let notReached = 0;
  for (const point of chooseCrashPoints(effects, match, options.limit)) {
    const { effect, ...order } = point;
    const result = await command(crashRun(JSON.stringify(order)));
    if (result.signal === "SIGKILL") killedAt.push(point);
    else notReached++;
    await check(result, point).catch((error: unknown) => {
      throw new Error(`killed ${point.when} ${effect.kind} of ${effect.path} (${point.at} of ${effects.length}): ${(error as Error).message}`, {
        cause: error,
      });
    });
  }
  return { effects, killedAt, notReached };
}

/** Runs the command once and tells what it did, in order. Rejects when it fails. */
export async function recordEffects(
  command: (run: CrashRun) => Promise<CommandResult>,
): Promise<{ readonly result: CommandResult; readonly effects: RecordedEffect[] }> {
  await using directory = await temporaryDirectory("crash");
  const file = join(directory.path, "effects.jsonl");
  const result = await command(crashRun(`record:${file}`));
  if (result.exitCode !== 0) throw new Error(`the command fails by itself (${result.exitCode}):\n${result.stderr}`);
  const lines = (await readFile(file, "utf8").catch(() => "")).split("\n").filter((line) => line !== "");
  return { result, effects: lines.map((line) => JSON.parse(line)) };
}

function crashRun(order: string): CrashRun {
  const preload = fileURLToPath(new URL("crash-points.ts", import.meta.url));
  return { nodeArguments: ["--import", preload], env: { [CRASH_VARIABLE]: order } };
}

/** Before each effect, within each write, and after the last one (after any other is before the next); at most `limit` of these. */
export function chooseCrashPoints(effects: readonly Effect[], match: EffectMatch, limit: number): CrashPoint[] {
  const all = effects.flatMap((effect, index): CrashPoint[] => {
    const point = { ...match, at: index + 1, effect };
    const torn: CrashPoint[] = effect.kind === "write" ? [{ ...point, when: "torn" }] : [];
    const after: CrashPoint[] = index === effects.length - 1 ? [{ ...point, when: "after" }] : [];
    return [{ ...point, when: "before" }, ...torn, ...after];
  });
  const groups = [...Map.groupBy(all, ({ effect, when }) => `${effect.kind} ${when}`).values()].sort((a, b) => a.length - b.length);
  const chosen = new Set<CrashPoint>();
  groups.forEach((group, index) => {
    const share = Math.max(1, Math.floor((limit - chosen.size) / (groups.length - index)));
    for (const point of spread(group, Math.min(share, limit - chosen.size))) chosen.add(point);
  });
  return all.filter((point) => chosen.has(point));
}

function spread<T>(items: readonly T[], count: number): T[] {
  if (items.length <= count) return [...items];
  return Array.from({ length: count }, (_, index) => items[Math.floor(((index + 0.5) * items.length) / count)] as T);
}
