// Whether what is stored stays on this host: what leaves it has to be encrypted.
import { placeOf } from "./place.ts";

/** A directory counts as this host's, wherever its file system is mounted from. Throws CONFIG_INVALID for what is no location. */
export function isOnThisHost(location: string): boolean {
  return placeOf(location).kind === "file";
}
