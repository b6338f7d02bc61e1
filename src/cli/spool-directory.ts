// Where --spool-dir puts the local copy.
import { stat } from "node:fs/promises";
import { originText } from "../config/origin.ts";
import { EtcdsafeError } from "../errors.ts";
import type { Invocation } from "./command.ts";

/** Undefined where none is named. Throws FILE_NOT_FOUND for one that is not there: it is mistyped, and may be a mount that is missing. */
export async function spoolDirectoryOf({ config }: Invocation): Promise<string | undefined> {
  const directory = config.get("spool-dir");
  if (directory === undefined) return undefined;
  const error = await stat(directory).then(
    () => undefined,
    ({ code }: NodeJS.ErrnoException) => code,
  );
  if (error !== "ENOENT") return directory; // Whatever else is wrong shows when it is used.
  throw new EtcdsafeError("FILE_NOT_FOUND", `there is no directory ${directory} (${originText(config.origin("spool-dir"))})`, {
    hint: "Create it, or name one that is there.",
  });
}
