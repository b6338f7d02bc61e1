// Reads --owner: USER[:GROUP] or UID:GID, as chown takes it.
import { execFile } from "node:child_process";
import { readFile } from "node:fs/promises";
import { promisify } from "node:util";
import { EtcdsafeError } from "../errors.ts";
import type { Owner } from "./access.ts";

const run = promisify(execFile);
const LOOKUP_LIMIT_MS = 10_000;
/** `man 2 chown`: the number behind it stands for "leave it as it is". */
const ID_MAX = 4_294_967_294;

/** A user's own group where none is named. Throws USAGE for names that this host does not know. */
export async function resolveOwner(text: string): Promise<Owner> {
  const [user = "", group] = text.split(":");
  const entry = await lookUp("passwd", user);
  const uid = numberOf(user) ?? numberOf(entry?.[2]);
  const gid = group === undefined ? numberOf(entry?.[3]) : (numberOf(group) ?? numberOf((await lookUp("group", group))?.[2]));
  if (uid === undefined) throw unknown(text, `this host knows no user ${JSON.stringify(user)}`);
  if (gid === undefined)
    throw unknown(text, group === undefined ? `this host knows no user ${uid}, and so not its group` : `this host knows no group ${JSON.stringify(group)}`);
  for (const id of [uid, gid])
    if (id > ID_MAX) throw new EtcdsafeError("USAGE", `--owner ${text}: ${id} is beyond ${ID_MAX}, the last number that a user or group can have`);
  return { uid, gid };
}

/** The entry of that name or number, in fields; also of directory services, where the host has `getent`. */
async function lookUp(database: "passwd" | "group", key: string): Promise<string[] | undefined> {
  const local = await readFile(`/etc/${database}`, "utf8").catch(() => "");
  const found = local
    .split("\n")
    .map((line) => line.split(":"))
    .find(([name, , number]) => name === key || number === key);
  if (found !== undefined) return found;
  const answer = await run("getent", [database, key], { timeout: LOOKUP_LIMIT_MS }).catch(() => undefined);
  return answer?.stdout.trim().split(":");
}

function numberOf(text: string | undefined): number | undefined {
  return text !== undefined && /^\d{1,10}$/.test(text) ? Number(text) : undefined;
}

function unknown(text: string, why: string): EtcdsafeError {
  return new EtcdsafeError("USAGE", `--owner ${text}: ${why}`, { hint: "Give numbers, as --owner UID:GID." });
}
