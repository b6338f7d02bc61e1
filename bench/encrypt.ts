// One side of the contest "encrypt": a file as an age file to one recipient, thrown away. `encrypt.ts ours|library FILE`: etcdsafe's payload, by node:crypto,
// or all of it by age-encryption, from which etcdsafe has the wrapping of keys.
import { createReadStream } from "node:fs";
import { Readable } from "node:stream";
import { Encrypter, generateX25519Identity, identityToRecipient } from "age-encryption";
import { encryptAge } from "../src/age/file.ts";

/** What etcdsafe's compression hands on at a time. */
const CHUNK_SIZE_BYTES = 1024 * 1024;

const [side, path = ""] = process.argv.slice(2);
const recipient = await identityToRecipient(await generateX25519Identity());
const file = createReadStream(path, { highWaterMark: CHUNK_SIZE_BYTES });
for await (const _ of side === "ours" ? encryptAge(file, { recipients: [recipient] }) : await byLibrary());

function byLibrary(): Promise<AsyncIterable<Uint8Array>> {
  const encrypter = new Encrypter();
  encrypter.addRecipient(recipient);
  return encrypter.encrypt(Readable.toWeb(file) as ReadableStream<Uint8Array>);
}
