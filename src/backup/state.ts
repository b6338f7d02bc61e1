// The state of a backup from what its check and comparison found: docs/repository-format.md, "Manifest". Pure.
import type { BackupState } from "../repository/manifest.ts";
import type { Comparison } from "./comparison.ts";

export function stateOf({ agreement, record }: Comparison): { readonly state: BackupState; readonly stateWhy: string } {
  if (agreement === undefined) return { state: "unconfirmed", stateWhy: `the members were not compared: ${record.why}` };
  switch (agreement.verdict) {
    case "proven":
      return { state: "proven", stateWhy: agreement.why };
    case "unconfirmed":
      return { state: "unconfirmed", stateWhy: agreement.why };
    case "split":
    case "minority":
      return { state: "suspect", stateWhy: agreement.why };
  }
}
