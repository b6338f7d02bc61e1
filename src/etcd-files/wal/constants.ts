// The fixed numbers of etcd's write-ahead log. Source: etcd `server/storage/wal/`, files named at each constant; etcd-formats §9.1.

/** `wal.go` MetadataType … SnapshotType: the types of record. */
export const RECORD_METADATA = 1;
export const RECORD_ENTRY = 2;
export const RECORD_STATE = 3;
export const RECORD_CRC = 4;
export const RECORD_SNAPSHOT = 5;
/** `decoder.go` frameSizeBytes: the length field before each record. */
export const FRAME_SIZE_BYTES = 8;
/** `decoder.go` minSectorSize: what a disk writes whole or not at all. */
export const SECTOR_SIZE_BYTES = 512;
/** `wal.go` SegmentSizeBytes: zeros are allocated up to here, and a segment that passes it is the last of its file. */
export const WAL_PREALLOCATED_SIZE_BYTES = 64_000_000;
/** Ours. A record holds one raft entry, and etcd takes requests of 1.5 MiB unless told otherwise (10 MiB at most is recommended). */
export const RECORD_SIZE_BYTES_MAX: number = 64 * 1024 * 1024;
