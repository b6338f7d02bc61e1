// The age v1 file format: https://age-encryption.org/v1 (C2SP, age.md). Section names below are that document's.

/** "Header": the version line. */
export const VERSION_LINE = "age-encryption.org/v1";
/** "Header": bytes of a body's base64 line, all but the last of a stanza. */
export const BODY_LINE_SIZE_BYTES = 48;
/** "Header MAC": HMAC-SHA-256. */
export const MAC_SIZE_BYTES = 32;
/** "Payload". */
export const NONCE_SIZE_BYTES = 16;
export const CHUNK_SIZE_BYTES = 64 * 1024;
/** Poly1305's tag behind every chunk, and behind a wrapped file key. */
export const TAG_SIZE_BYTES = 16;
export const STORED_CHUNK_SIZE_BYTES = CHUNK_SIZE_BYTES + TAG_SIZE_BYTES;
/** "File key". */
export const FILE_KEY_SIZE_BYTES = 16;
/** "The scrypt recipient type". */
export const SCRYPT_SALT_SIZE_BYTES = 16;
/** What the `age` command encrypts with: 256 MiB and about a second. */
export const SCRYPT_WORK_FACTOR = 18;

/** Limits of reading: the format has none. Room for some 600 X25519 recipients. */
export const HEADER_SIZE_BYTES_MAX = 64 * 1024;
export const STANZAS_MAX = 1000;
/** 1 GiB of memory. Whoever can write to a store could otherwise ask for any amount. */
export const SCRYPT_WORK_FACTOR_MAX = 20;
