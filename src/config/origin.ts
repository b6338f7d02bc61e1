// Where a value came from, and what is wrong with one.

export type Origin =
  | { readonly kind: "flag"; readonly flag: string }
  | { readonly kind: "environment" | "etcdctl"; readonly variable: string }
  /** `line` from 1, or WHOLE_FILE. */
  | { readonly kind: "file"; readonly path: string; readonly line: number }
  | { readonly kind: "default" };

/** In place of a line, for what is wrong with a file as such. */
export const WHOLE_FILE = 0;

/** One thing wrong with the configuration; `text` completes a sentence that begins with the origin. */
export interface Fault {
  readonly origin: Origin;
  /** The option that is meant, or the key of a file that is none; only for an origin in a file it is part of the sentence. */
  readonly key?: string;
  readonly text: string;
}

/** How much an origin counts: flags beat the environment, ETCDSAFE_* beats ETCDCTL_*, and the environment beats the file. */
export function rankOf(origin: Origin): number {
  return ["default", "file", "etcdctl", "environment", "flag"].indexOf(origin.kind);
}

/** `--endpoints`, `ETCDCTL_ENDPOINTS`, `/etc/etcdsafe.yaml:3` or `default`. */
export function originText(origin: Origin): string {
  switch (origin.kind) {
    case "flag":
      return origin.flag;
    case "environment":
    case "etcdctl":
      return origin.variable;
    case "file":
      return origin.line === WHOLE_FILE ? origin.path : `${origin.path}:${origin.line}`;
    case "default":
      return "default";
  }
}

/** An option as whoever gave it wrote it: `--output`, `ETCDSAFE_OUTPUT` or `output (/etc/etcdsafe.yaml:3)`. */
export function optionText(name: string, origin: Origin): string {
  return origin.kind === "file" ? `${name} (${originText(origin)})` : originText(origin);
}

/** For JSON output. `message` is the whole sentence. */
export interface FaultDocument {
  readonly option: string | null;
  readonly source: string;
  readonly message: string;
}

export function faultDocument(fault: Fault): FaultDocument {
  return { option: fault.key ?? null, source: originText(fault.origin), message: faultText(fault) };
}

/** Those of a file by line, behind all others. */
export function inOrder(faults: readonly Fault[]): readonly Fault[] {
  const line = ({ origin }: Fault) => (origin.kind === "file" ? origin.line : -1);
  return faults.toSorted((a, b) => line(a) - line(b));
}

export function faultText({ origin, key, text }: Fault): string {
  return `${originText(origin)}: ${key === undefined || origin.kind !== "file" ? "" : `${key} `}${text}`;
}
