// `etcdsafe verify` in several repositories: each by itself, so that one which cannot be reached keeps no other from being verified.
import { originText } from "../config/origin.ts";
import { ERRORS, EtcdsafeError } from "../errors.ts";
import { distinctPlaces } from "../storage/place.ts";
import type { Failure } from "../verify/examination.ts";
import type { VerifyLevel } from "../verify/options.ts";
import type { Invocation } from "./command.ts";
import { inRepository } from "./in-repository.ts";
import type { Verified } from "./verified-text.ts";

/** Nothing was found that could be verified: a repository that cannot be read, or a cluster without any backup since a time. */
export interface NothingVerified {
  /** Null: whichever it has. */
  readonly cluster: string | null;
  readonly backup: null;
  readonly level: VerifyLevel;
  readonly outcome: "not-verified";
  readonly failure: Failure;
}

export function nothingVerified(
  { code, message, hint }: EtcdsafeError,
  { cluster, level }: { readonly cluster: string | null; readonly level: VerifyLevel },
): NothingVerified {
  return { cluster, backup: null, level, outcome: "not-verified", failure: { code, message, hint } };
}

/**
 * What `verify` finds in each of the repositories that are named. Of a single one it throws what verifying there throws; of several only what is wrong with the
 * arguments or the configuration.
 */
export async function inEachRepository(
  invocation: Invocation,
  level: VerifyLevel,
  verify: (one: Invocation) => Promise<readonly Verified[]>,
): Promise<Verified[]> {
  const { config, runtime, signal } = invocation;
  const locations = config.all("repository");
  const places = locations.length < 2 ? locations : distinctPlaces(locations);
  if (places.length < 2) {
    const [place] = places;
    if (place === undefined) return [...(await verify(invocation))]; // Which throws that none is named.
    return withRepository(place, await verify(inRepository(invocation, place)));
  }
  requireOwnState(invocation, places.length);
  const verified: Verified[] = [];
  for (const place of places) {
    runtime.log({ level: "info", message: `verifying in ${place}` });
    try {
      verified.push(...withRepository(place, await verify(inRepository(invocation, place))));
    } catch (error) {
      signal.throwIfAborted();
      if (!(error instanceof EtcdsafeError) || error.code === "INTERNAL" || ERRORS[error.code].exit === ERRORS.USAGE.exit) throw error;
      verified.push(...withRepository(place, [nothingVerified(error, { cluster: clusterOf(invocation), level })]));
    }
  }
  return verified;
}

/** Null where it is every cluster. */
export function clusterOf({ config }: Invocation): string | null {
  return config.get("all-clusters") ? null : config.get("cluster");
}

function withRepository(repository: string, verified: readonly Verified[]): Verified[] {
  return verified.map((each) => ({ repository, ...each }));
}

function requireOwnState({ config }: Invocation, count: number): void {
  if (config.get("state-url") === undefined) return;
  const several = `${count} repositories are named (${originText(config.origin("repository"))})`;
  throw new EtcdsafeError("USAGE", `--state-url: ${several}, and each has a state of its own`, { hint: "Verify in one at a time." });
}
