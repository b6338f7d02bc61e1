// How much a bundle may hold. It is held in memory, by who makes it and by who unpacks it; certificates, keys and configuration of a host are far below
// all of these, and what is not is a backup of something else. Documented in docs/repository-format.md, "Bundles".

export const FILE_SIZE_BYTES_MAX: number = 16 * 1024 * 1024;
/** Of all files together. */
export const CONTENT_SIZE_BYTES_MAX: number = 32 * 1024 * 1024;
export const ENTRIES_MAX = 4000;
/** Of a name in the tar, and of a link's target. */
export const NAME_SIZE_BYTES_MAX = 1024;
/** The limit of every document (docs/repository-format.md, "Types"). */
export const INDEX_SIZE_BYTES_MAX: number = 16 * 1024 * 1024;
/** Headers and padding of an entry take less than 4 KiB, its names being that short. */
export const TAR_SIZE_BYTES_MAX: number = CONTENT_SIZE_BYTES_MAX + INDEX_SIZE_BYTES_MAX + ENTRIES_MAX * 4096;
