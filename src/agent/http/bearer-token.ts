// The token that whoever asks for something to be done has to show (RFC 6750). Its file is read again as soon as it has changed and somebody shows one.
import { createHash, timingSafeEqual } from "node:crypto";
import { stat } from "node:fs/promises";
import { readSecretFile } from "../../config/secret-file.ts";
import { EtcdsafeError } from "../../errors.ts";
import type { Runtime } from "../../runtime.ts";
import type { Reloadable } from "../reloading.ts";

export interface BearerToken extends Reloadable {
  /** Of an Authorization header. */
  check(header: string | undefined): Promise<"accepted" | "missing" | "wrong">;
}

/** Fewer could be guessed. */
const TOKEN_LENGTH_MIN = 16;
/** What an Authorization header can carry (RFC 6750 §2.1). */
const TOKEN = /^[A-Za-z0-9._~+/-]+=*$/;
const HEADER = /^Bearer +(\S+) *$/i;
const OTHERS_MAY_READ = 0o004;

export async function openBearerToken(path: string, runtime: Pick<Runtime, "log">): Promise<BearerToken> {
  let digest: Buffer = Buffer.alloc(0);
  let lookedAt = "";
  const read = async () => {
    const { version, mode } = await look(path);
    lookedAt = version;
    digest = sha256(await readToken(path));
    if ((mode & OTHERS_MAY_READ) !== 0) {
      const fields = { file: path, mode: `0${(mode & 0o777).toString(8)}` };
      runtime.log({ level: "warn", message: "everybody on this host can read the token's file; give it mode 0600 (Kubernetes: defaultMode 0400)", fields });
    }
  };
  const readWhereChanged = async () => {
    const { version } = await look(path);
    // Why one is refused is told where it is taken.
    if (version !== lookedAt) await read().catch(() => undefined);
  };
  await read();
  return {
    name: "the bearer token",
    files: [path],
    take: read,
    async check(header) {
      const shown = header === undefined ? undefined : HEADER.exec(header)?.[1];
      if (shown === undefined) return "missing";
      await readWhereChanged();
      return timingSafeEqual(sha256(shown), digest) ? "accepted" : "wrong";
    },
  };
}

async function look(path: string): Promise<{ readonly version: string; readonly mode: number }> {
  const found = await stat(path, { bigint: true }).catch(() => undefined);
  return { version: found === undefined ? "absent" : `${found.ino} ${found.size} ${found.mtimeNs} ${found.ctimeNs}`, mode: Number(found?.mode ?? 0n) };
}

async function readToken(path: string): Promise<string> {
  const read = await readSecretFile(path, "a token");
  if ("refused" in read) throw invalid(path, read.refused);
  if (read.secret.length < TOKEN_LENGTH_MIN) throw invalid(path, `holds a token of fewer than ${TOKEN_LENGTH_MIN} characters`);
  if (!TOKEN.test(read.secret)) throw invalid(path, "holds characters that no bearer token can have (letters, digits, -._~+/ and = at the end)");
  return read.secret;
}

function invalid(path: string, why: string): EtcdsafeError {
  return new EtcdsafeError("CONFIG_INVALID", `the token's file ${path} ${why}`, { hint: "`openssl rand -hex 32` makes a token." });
}

/** Equal lengths, for a comparison in constant time. */
function sha256(text: string): Buffer {
  return createHash("sha256").update(text).digest();
}
