// A file key under a passphrase: age's scrypt recipient, by node:crypto.
import { createCipheriv, createDecipheriv, randomBytes, scrypt } from "node:crypto";
import { FormatError } from "../errors.ts";
import { FILE_KEY_SIZE_BYTES, SCRYPT_SALT_SIZE_BYTES, SCRYPT_WORK_FACTOR_MAX, TAG_SIZE_BYTES } from "./constants.ts";
import { base64, type Stanza, unbase64 } from "./header.ts";

export const SCRYPT = "scrypt";

/** "The scrypt recipient type". */
const LABEL = "age-encryption.org/v1/scrypt";
const BLOCK_SIZE = 8;
const ZERO_NONCE = new Uint8Array(12);
const CIPHER = "chacha20-poly1305";
const TAG = { authTagLength: TAG_SIZE_BYTES };

export async function wrapWithPassphrase(fileKey: Uint8Array, passphrase: string, workFactor: number): Promise<Stanza> {
  const salt = randomBytes(SCRYPT_SALT_SIZE_BYTES);
  const cipher = createCipheriv(CIPHER, await derive(passphrase, salt, workFactor), ZERO_NONCE, TAG);
  const body = Buffer.concat([cipher.update(fileKey), cipher.final(), cipher.getAuthTag()]);
  return { type: SCRYPT, args: [base64(salt), String(workFactor)], body };
}

/** Throws OBJECT_CORRUPT for a header that no age would write. */
export function checkScryptStanzas(stanzas: readonly Stanza[], name: string): void {
  const stanza = stanzas.find(({ type }) => type === SCRYPT);
  if (stanza === undefined) return;
  const corrupt = (what: string) => new FormatError("OBJECT_CORRUPT", `${name}: ${what}`, 0);
  const [salt, workFactor] = stanza.args;
  // Else whoever knows one of the other keys could have made it: "The scrypt recipient type".
  if (stanzas.length !== 1) throw corrupt("its header has other recipients besides a passphrase");
  const isWell = stanza.args.length === 2 && unbase64(salt!)?.length === SCRYPT_SALT_SIZE_BYTES && /^[1-9]\d*$/.test(workFactor!);
  if (!isWell || stanza.body.length !== FILE_KEY_SIZE_BYTES + TAG_SIZE_BYTES) throw corrupt("the passphrase's part of its header is malformed");
  if (Number(workFactor) > SCRYPT_WORK_FACTOR_MAX)
    throw corrupt(`its header asks for a scrypt work factor of ${workFactor}, and more than ${SCRYPT_WORK_FACTOR_MAX} is not tried`);
}

/** Of a stanza that was checked. Undefined for another passphrase. */
export async function unwrapWithPassphrase({ args, body }: Stanza, passphrase: string): Promise<Uint8Array | undefined> {
  const key = await derive(passphrase, unbase64(args[0]!)!, Number(args[1]));
  const decipher = createDecipheriv(CIPHER, key, ZERO_NONCE, TAG).setAuthTag(body.subarray(FILE_KEY_SIZE_BYTES));
  const fileKey = decipher.update(body.subarray(0, FILE_KEY_SIZE_BYTES));
  try {
    decipher.final();
    return fileKey;
  } catch {
    return undefined;
  }
}

function derive(passphrase: string, salt: Uint8Array, workFactor: number): Promise<Buffer> {
  const N = 2 ** workFactor;
  const maxmem = 2 * 128 * N * BLOCK_SIZE + 1024 * 1024;
  const labelled = Buffer.concat([Buffer.from(LABEL), salt]);
  return new Promise((resolve, reject) =>
    scrypt(passphrase, labelled, 32, { N, r: BLOCK_SIZE, p: 1, maxmem }, (error, key) => (error === null ? resolve(key) : reject(error))),
  );
}
