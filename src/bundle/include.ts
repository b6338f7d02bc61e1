// What is put into a bundle, and under which name: as --include says it, or a preset.
import { resolve } from "node:path";
import { EtcdsafeError } from "../errors.ts";
import { nameOnHost } from "./host.ts";
import { FILES } from "./tree.ts";

export interface Include {
  /** Absolute, for this process. */
  readonly path: string;
  /** Absolute, as the host calls it. */
  readonly source: string;
  /** In the tar, `files/…`. */
  readonly name: string;
}

/** `PATH[=NAME]`, the last `=` counting; without a name it is called as on its host. Throws USAGE for one that cannot be a name. */
export function parseInclude(text: string, hostRoot: string): Include {
  const at = text.lastIndexOf("=");
  const path = resolve(at < 0 ? text : text.slice(0, at));
  const source = nameOnHost(hostRoot, path);
  const name = at < 0 ? source.slice(1) : text.slice(at + 1).replace(/\/+$/, "");
  if (text === "" || at === 0) throw new EtcdsafeError("USAGE", `--include ${text}: no path is named`, { hint: "Give PATH or PATH=NAME." });
  if (at < 0 && name === "")
    throw new EtcdsafeError("USAGE", `--include ${text}: that is the whole host`, { hint: "Name the directories and files that are needed." });
  if (name.split("/").some((part) => part === "" || part === "." || part === ".."))
    throw new EtcdsafeError("USAGE", `--include ${text}: ${JSON.stringify(name)} cannot be a name in a bundle`, {
      hint: "After the =, give a relative path without empty parts, `.` and `..`; a path that itself holds a = needs a name.",
    });
  return { path, source, name: `${FILES}/${name}` };
}
