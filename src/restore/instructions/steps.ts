// What is to be done by hand around a restore: plain JSON, part of what `--plan -o json` prints. The same number means the same stage on every host.

export interface HostInstructions {
  /** Null where the host is named by its part, such as "every other node". */
  readonly member: string | null;
  readonly host: string;
  /** By ascending number. */
  readonly steps: readonly InstructionStep[];
}

export interface InstructionStep {
  /** A step is to be finished on every host before the next number is begun on any. */
  readonly number: number;
  readonly title: string;
  /** What to know or to look at. */
  readonly why?: string;
  /** For one root shell, in order; none where etcdsafe cannot know them. */
  readonly commands: readonly string[];
}

/** The stages of a restore of members. Those of a distribution that takes a snapshot file are numbered by themselves. */
export const STAGE = { stop: 1, restore: 2, start: 3, compare: 4, startApiServers: 5, restartClients: 6 } as const;

/** All that the instructions for members depend on. */
export interface InstructedRestore {
  readonly members: readonly InstructedMember[];
  /** At least 1.5 × the database, so that the restored member does not raise NOSPACE at once. */
  readonly quotaBackendBytes: number;
  /** The revision at which the members are compared, the newest of the restored keyspace; null for whatever is each member's latest. */
  readonly compareRevision: string | null;
  /** Whether etcdctl has to log in. */
  readonly authEnabled: boolean;
  /** Each member is restored on a host of its own. */
  readonly perHost: boolean;
  /** The command line that restores a member from the saved plan, or all that the plan writes. */
  restoreCommand(member: string | undefined): string;
}

export interface InstructedMember {
  readonly name: string;
  readonly peerUrls: readonly string[];
  readonly clientUrls: readonly string[];
  /** True: nobody named client URLs, and these are only customary. */
  readonly clientUrlsAssumed: boolean;
  /** Null where the plan does not say, since another one writes it. */
  readonly dataDir: string | null;
  readonly walDir: string | null;
}

/** As people count: m2 before m10. */
export function byName(a: { readonly name: string }, b: { readonly name: string }): number {
  return a.name.localeCompare(b.name, "en", { numeric: true });
}

/** As `--initial-cluster` wants it. */
export function initialCluster(members: readonly InstructedMember[]): string {
  return members.flatMap(({ name, peerUrls }) => peerUrls.map((url) => `${name}=${url}`)).join(",");
}

/** The host of the member's first peer URL. */
export function hostOf({ name, peerUrls }: InstructedMember): string {
  const [url] = peerUrls;
  return url === undefined ? name : new URL(url).hostname;
}

/** The client URLs of all members, as etcdctl's `--endpoints`. */
export function endpointsOf(members: readonly InstructedMember[]): string {
  return members.flatMap(({ clientUrls }) => clientUrls.slice(0, 1)).join(",");
}

/** Waits until `command` succeeds, and fails after `limitSeconds`; for what a kubelet or an election takes its time for. */
export function waitFor(command: string, limitSeconds = 300): string {
  return `timeout ${limitSeconds} sh -c 'until ${command.replaceAll("'", "'\\''")}; do sleep 1; done'`;
}
