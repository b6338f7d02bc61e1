// What tests of rekeying share.
import type { RekeyOptions } from "../../src/rekey/rekey.ts";
import { backupObjectKey } from "../../src/repository/names.ts";
import type { Resigning } from "../../src/repository/resigning.ts";
import { testRuntime } from "../support/test-runtime.ts";
import { CLUSTER, signal } from "../verify/stored-backup.ts";

export const RESIGNING: Resigning = { signing: undefined, isProven: false, allowUnsigned: false, allowUnproven: false };

export function rekeyOptions(changes: Partial<RekeyOptions> & Pick<RekeyOptions, "keys" | "to">): RekeyOptions {
  return { runtime: testRuntime(), signal, newKey: false, resigning: RESIGNING, protection: {}, ...changes };
}

export function encryptedSnapshotKey(id: string): string {
  return backupObjectKey(CLUSTER, id, "snapshot.db.zst.age");
}
