// What an agent goes on after: an error of ours as it is, any other one as what it is, a fault of etcdsafe's.
import { EtcdsafeError } from "../errors.ts";

export function expectedError(error: unknown): EtcdsafeError {
  return error instanceof EtcdsafeError ? error : new EtcdsafeError("INTERNAL", error instanceof Error ? error.message : String(error), { cause: error });
}
