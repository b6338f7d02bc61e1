// What must hold of a soak, from its records alone: who wrote when, how far recovery points lie apart, whether a process grows. Throws what does not.
import type { StoredPut } from "./agent-soak-proxy.ts";

/** Of src/cli/commands/agent.ts. */
const LEASE_MS = 30_000;
/** Times of modification are whole seconds in S3. */
const STORE_TIME_MS = 1_000;

export interface LeaseWrite {
  readonly atMs: number;
  readonly pid: number;
  readonly epoch: number;
  readonly holder: string;
  readonly isReleased: boolean;
}

/** Every state of the lease file that the store has had, in order. */
export function leaseHistory(puts: readonly StoredPut[]): LeaseWrite[] {
  return puts
    .filter(({ key }) => key.endsWith("/writer.json"))
    .map(({ body, endedMs }) => {
      const { holder, epoch, releasedAt } = JSON.parse(body);
      return { atMs: endedMs, pid: holder.pid, epoch: Number(epoch), holder: holder.id, isReleased: releasedAt !== null };
    })
    .sort((a, b) => a.atMs - b.atMs);
}

/** One holder in each epoch, epochs that only rise, and none that begins before the one before was given back or had expired. Gives how often it changed hands. */
export function requireOneHolder(history: readonly LeaseWrite[]): number {
  let changes = 0;
  for (const [index, write] of history.entries()) {
    const before = history[index - 1];
    if (before === undefined || (write.epoch === before.epoch && write.holder === before.holder && !before.isReleased)) continue;
    changes++;
    const hadEnded = before.isReleased || write.atMs - before.atMs >= LEASE_MS - STORE_TIME_MS;
    if (write.epoch !== before.epoch + 1 || write.holder === before.holder || !hadEnded)
      throw new Error(`the lease passed wrongly: ${JSON.stringify([before, write])}`);
  }
  return changes;
}

/** Keys that only the writer writes: of backups, and of what is removed. */
const WRITERS_ALONE = /\/backups\/[^/]+\/manifest\.json$|\/deleting\/|\/prunes\//;

/** Whatever was published was by whom the lease file named then. Gives the backups' ids and times. */
export function requirePublishedByHolder(puts: readonly StoredPut[], history: readonly LeaseWrite[]): { readonly id: string; readonly atMs: number }[] {
  const published = puts.filter(({ key }) => WRITERS_ALONE.test(key));
  for (const { pid, key, endedMs } of published) {
    const holder = history.findLast(({ atMs }) => atMs <= endedMs);
    if (holder?.pid !== pid || holder.isReleased) throw new Error(`${key} was written by ${pid} at ${endedMs}, when the lease said ${JSON.stringify(holder)}`);
  }
  return published
    .flatMap(({ key, endedMs }) => {
      const id = /\/backups\/([^/]+)\/manifest\.json$/.exec(key)?.[1];
      return id === undefined ? [] : [{ id, atMs: endedMs }];
    })
    .sort((a, b) => a.atMs - b.atMs);
}

/** What an agent said of itself. */
export interface RoleSample {
  readonly atMs: number;
  readonly pid: number;
  readonly role: "writer" | "standby";
}

/** Of two that say at one time that they write, one has a lease that has expired, and only has not noticed. */
export function requireOneWriter(samples: readonly (readonly RoleSample[])[], history: readonly LeaseWrite[]): number {
  let both = 0;
  for (const round of samples) {
    const writers = round.filter(({ role }) => role === "writer");
    if (writers.length < 2) continue;
    both++;
    const unexpired = writers.filter(({ pid, atMs }) => {
      const last = history.findLast((write) => write.pid === pid && write.atMs <= atMs);
      return last !== undefined && !last.isReleased && atMs - last.atMs < LEASE_MS - STORE_TIME_MS;
    });
    if (unexpired.length > 1) throw new Error(`two writers at ${round[0]!.atMs}: ${JSON.stringify(writers)}`);
  }
  return both;
}

/** Something that was done to the cluster, the store or an agent; `recoverMs`: how long afterwards a save may still suffer from it. */
export interface Disturbance {
  readonly what: string;
  readonly fromMs: number;
  readonly toMs: number;
  readonly recoverMs: number;
}

/**
 * Between two recovery points lies at most the schedule's period, what a save takes, and the time of each disturbance between them with what it takes to recover. Gives the
 * longest time between two.
 */
export function requireNoMissedPoint(
  pointsMs: readonly number[],
  disturbances: readonly Disturbance[],
  { periodMs, saveMs }: { readonly periodMs: number; readonly saveMs: number },
): number {
  let longestMs = 0;
  for (const [index, toMs] of pointsMs.entries()) {
    const fromMs = pointsMs[index - 1];
    if (fromMs === undefined) continue;
    longestMs = Math.max(longestMs, toMs - fromMs);
    const between = disturbances.filter((each) => each.fromMs < toMs && each.toMs + each.recoverMs > fromMs);
    const allowedMs = between.reduce((sum, each) => sum + (Math.min(toMs, each.toMs + each.recoverMs) - Math.max(fromMs, each.fromMs)), periodMs + saveMs);
    if (toMs - fromMs > allowedMs)
      throw new Error(`no recovery point for ${toMs - fromMs} ms, of which ${allowedMs} are explained by ${JSON.stringify(between)}`);
  }
  return longestMs;
}

export interface UsageSample {
  readonly atMs: number;
  readonly rssBytes: number;
  readonly handles: number;
}

const WARM_UP_MS = 120_000;
const RSS_LIMIT_BYTES = 400 * 1024 * 1024;
/** Each run has connections of its own to the store, which close once they have been idle for some time. */
const HANDLES_LIMIT = 200;

/** Of one process: bounded from the start, and once it has run for long, no more in the last third of its time after the warm-up than in the first. */
export function requireFlat(samples: readonly UsageSample[]): string {
  const [rss, handles] = [samples.map(({ rssBytes }) => rssBytes), samples.map((each) => each.handles)];
  const mib = (bytes: number) => Math.round(bytes / 1024 / 1024);
  if (Math.max(...rss) > RSS_LIMIT_BYTES) throw new Error(`${mib(Math.max(...rss))} MiB were resident`);
  if (Math.max(...handles) > HANDLES_LIMIT) throw new Error(`${Math.max(...handles)} handles were open`);
  const begin = samples[0]!.atMs + WARM_UP_MS;
  const warm = samples.filter(({ atMs }) => atMs >= begin);
  const spanMs = (warm.at(-1)?.atMs ?? 0) - begin;
  const told = `RSS ${mib(median(rss))} MiB (at most ${mib(Math.max(...rss))}), ${median(handles)} handles (at most ${Math.max(...handles)})`;
  if (spanMs < WARM_UP_MS) return told;
  const first = warm.filter(({ atMs }) => atMs < begin + spanMs / 3);
  const last = warm.filter(({ atMs }) => atMs > begin + (2 * spanMs) / 3);
  const [rssBefore, rssAfter] = [median(first.map(({ rssBytes }) => rssBytes)), median(last.map(({ rssBytes }) => rssBytes))];
  // Where nothing runs: by role and by what runs there are more or fewer connections, of which a leak is none.
  const [handlesBefore, handlesAfter] = [lowest(first.map((each) => each.handles)), lowest(last.map((each) => each.handles))];
  if (rssAfter > rssBefore * 1.15 + 16 * 1024 * 1024) throw new Error(`resident memory grew from ${mib(rssBefore)} to ${mib(rssAfter)} MiB`);
  if (handlesAfter > handlesBefore + 5) throw new Error(`open handles grew from ${handlesBefore} to ${handlesAfter}`);
  return `${told}; over ${Math.round(spanMs / 60_000)} min RSS ${mib(rssBefore)} to ${mib(rssAfter)} MiB, handles ${handlesBefore} to ${handlesAfter}`;
}

function median(values: readonly number[]): number {
  return values.toSorted((a, b) => a - b)[values.length >> 1] ?? 0;
}

/** But for a tenth of them. */
function lowest(values: readonly number[]): number {
  return values.toSorted((a, b) => a - b)[Math.floor(values.length / 10)] ?? 0;
}
