// All faults of a configuration as one error.
import { EtcdsafeError } from "../errors.ts";
import { type Fault, faultText, inOrder } from "./origin.ts";

/** Throws USAGE where only arguments are at fault, else CONFIG_INVALID, with every fault in the message; nothing where there are none. `hint`: in place of the table's. */
export function throwFaults(faults: readonly Fault[], hint?: string): void {
  if (faults.length === 0) return;
  const texts = inOrder(faults).map(faultText);
  const message = texts.length === 1 ? texts[0]! : `the configuration has ${texts.length} faults:\n  ${texts.join("\n  ")}`;
  throw new EtcdsafeError(faults.every(({ origin }) => origin.kind === "flag") ? "USAGE" : "CONFIG_INVALID", message, hint === undefined ? {} : { hint });
}
