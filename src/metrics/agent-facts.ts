// What an agent has to tell at any time, besides what its runs came to.
import type { RunAction } from "./run-facts.ts";

export interface AgentFacts {
  readonly cluster: string;
  readonly role: "writer" | "standby";
  /** Null where none is planned. */
  readonly nextRuns: Readonly<Record<RunAction, Date | null>>;
  /** Null where nothing can be rebuilt; undefined where nothing is known of the repository. */
  readonly recoveryWindow: { readonly from: Date; readonly to: Date } | null | undefined;
  /** Since when what is told of the repository is not known to be so any more: its last reading, or the agent's start where there was none. */
  readonly readAt: Date;
  /** On record as such in the repository; null where nothing is known of it. */
  readonly damagedBackups: number | null;
  readonly certificates: readonly { readonly certificate: "client" | "ca" | "listen"; readonly expiresAt: Date }[];
}
