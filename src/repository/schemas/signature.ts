// <object>.sig: who vouches for a manifest or a segment. What exactly is signed: docs/repository-format.md, "Signatures".
import { z } from "zod";
import { documentHead, sha256 } from "./common.ts";

const base64 = (sizeBytes: number) =>
  z
    .string()
    .refine(
      (text) => Buffer.from(text, "base64").toString("base64") === text && Buffer.byteLength(text, "base64") === sizeBytes,
      `not ${sizeBytes} bytes in base64`,
    );

export const signatureSchema = z.object({
  ...documentHead,
  signedSha256: sha256,
  signatures: z.array(z.object({ algorithm: z.literal("ed25519"), publicKey: base64(32), signature: base64(64) })).min(1),
});
