import { generateKeyPairSync } from "node:crypto";
import { readSigningKey, type SigningKey } from "../../src/repository/signature.ts";

export function newSigningKey(): SigningKey {
  return readSigningKey(generateKeyPairSync("ed25519").privateKey.export({ type: "pkcs8", format: "pem" }).toString()) as SigningKey;
}
