// `etcdsafe verify` of other tools' backups.
import { EtcdsafeError } from "../errors.ts";
import type { ForeignLocation } from "../repository/foreign/location.ts";
import { chooseForeign } from "../repository/foreign/resolve.ts";
import { type ForeignNotVerified, type ForeignVerification, verifyAllForeign, verifyForeign } from "../verify/foreign.ts";
import type { VerifyOptions } from "../verify/options.ts";
import type { Invocation } from "./command.ts";
import { sinceOf } from "./since.ts";
import type { PassingOver } from "./verify-backups.ts";

/** The one that `reference` names, or all, with --since those since then. Throws as chooseForeign and verifyForeign; BACKUP_NOT_FOUND where there is none to verify. */
export async function verifyForeignBackups(
  location: ForeignLocation,
  reference: string | undefined,
  { config, runtime }: Invocation,
  options: VerifyOptions & PassingOver,
): Promise<(ForeignVerification | ForeignNotVerified)[]> {
  if (reference === undefined) return verifyAllForeign(backupsIn(location, sinceOf(config, runtime.now())), options);
  const passedOver = (message: string) => {
    runtime.log({ level: "warn", message });
    options.passedOver(message);
  };
  return [await verifyForeign(location, chooseForeign(location, reference, { passedOver }), options)];
}

function backupsIn(location: ForeignLocation, since: Date | undefined): ForeignLocation {
  const { storage, backups } = location;
  const recent = since === undefined ? backups : backups.filter(({ createdAt }) => createdAt >= since);
  if (recent.length > 0) return { ...location, backups: recent };
  const [newest] = backups;
  const instead = newest === undefined ? "" : `; the newest, ${newest.name}, is of ${newest.createdAt.toISOString()}`;
  const when = since === undefined ? "" : ` since ${since.toISOString()}`;
  throw new EtcdsafeError("BACKUP_NOT_FOUND", `there is no full backup in ${storage.location}${when}${instead}`);
}
