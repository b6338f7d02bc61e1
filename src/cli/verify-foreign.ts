// `etcdsafe verify` of other tools' backups.
import type { ForeignLocation } from "../repository/foreign/location.ts";
import { chooseForeign } from "../repository/foreign/resolve.ts";
import { type ForeignNotVerified, type ForeignVerification, verifyAllForeign, verifyForeign } from "../verify/foreign.ts";
import type { VerifyOptions } from "../verify/options.ts";
import type { Invocation } from "./command.ts";

/** The one that `reference` names, or all. Throws as chooseForeign and verifyForeign. */
export async function verifyForeignBackups(
  location: ForeignLocation,
  reference: string | undefined,
  { runtime }: Invocation,
  options: VerifyOptions,
): Promise<(ForeignVerification | ForeignNotVerified)[]> {
  if (reference === undefined) return verifyAllForeign(location, options);
  const passedOver = (message: string) => runtime.log({ level: "warn", message });
  return [await verifyForeign(location, chooseForeign(location, reference, { passedOver }), options)];
}
