// What every verification is told.
import type { AgeKeys } from "../age/identities.ts";
import type { VerificationLevel } from "../repository/sidecars.ts";
import type { CallOptions, Runtime } from "../runtime.ts";

/** Those of docs/repository-format.md, "Verifications", that this version knows how to reach. */
export type VerifyLevel = Exclude<VerificationLevel, "points">;

export interface VerifyOptions extends CallOptions {
  readonly runtime: Runtime;
  readonly level: VerifyLevel;
  /** Nobody asked for that level: of an encrypted backup, without any key, the stored bytes are looked at instead. */
  readonly atDefaultLevel?: boolean;
  /** What opens encrypted backups. */
  readonly keys?: AgeKeys | undefined;
  /** Whether manifests can only be read where somebody who is trusted has signed them. Of what has none, that is a warning. */
  readonly provesOrigin?: boolean;
  /** Where a snapshot goes that is to be looked into and is no file yet. */
  readonly spoolDirectory: string;
  /** Begins the names of the steps that progress is reported of: "3/14 ", or nothing. */
  readonly stepPrefix: string;
}

/** Where the spool has no room. */
export const NO_SPOOL_ROOM = "Free space, or give --spool-dir on a larger file system; `verify --level hash` needs no local copy.";
