// The fixed numbers of bbolt's file format, version 2. Source: go.etcd.io/bbolt, files named at each constant; etcd-formats §2.

/** `internal/common/types.go`: first field of a valid meta page. */
export const META_MAGIC = 0xed0cdaed;
/** `internal/common/types.go`: the only format version etcd's bbolt 1.3 to 1.5 write. */
export const FORMAT_VERSION = 2;
/** `internal/common/page.go`: id u64 · flags u16 · count u16 · overflow u32. */
export const PAGE_HEADER_SIZE_BYTES = 16;
/** `internal/common/page.go`: leaf: flags, pos, ksize, vsize u32; branch: pos, ksize u32, pgid u64. */
export const ELEMENT_SIZE_BYTES = 16;
/** `internal/common/page.go`: exactly one of these is set in a page's flags. */
export const PAGE_BRANCH = 0x01;
export const PAGE_LEAF = 0x02;
export const PAGE_META = 0x04;
export const PAGE_FREELIST = 0x10;
/** `internal/common/page.go`: the element's value is a bucket. */
export const LEAF_ELEMENT_BUCKET = 0x01;
/** `internal/common/inode.go`, `node.go`: a page never holds this many elements; in a freelist it marks "the count is in the first id". */
export const ELEMENTS_MAX = 0xffff;
/** `internal/common/bucket.go`: root page id u64 · sequence u64. */
export const BUCKET_HEADER_SIZE_BYTES = 16;
/** `internal/common/meta.go`: magic to checksum, after the page header. */
export const META_SIZE_BYTES = 64;
/** `internal/common/meta.go`: the checksum covers what lies before it. */
export const META_CHECKSUM_OFFSET = 56;
/** `internal/common/meta.go`: where the freelist's page id is in a meta page. */
export const META_FREELIST_OFFSET: number = PAGE_HEADER_SIZE_BYTES + 32;
/** `internal/common/types.go` PgidNoFreelist: no freelist page in the file, as etcd writes on Linux. */
export const NO_FREELIST = 0xffff_ffff_ffff_ffffn;
/** `db.go` getPageSize: the sizes bbolt tries, 1 KiB to 16 MiB. */
export const PAGE_SIZE_BYTES_MIN = 1024;
export const PAGE_SIZE_BYTES_MAX = 16 * 1024 * 1024;
/** The page size etcd writes on every platform with 4 KiB pages. */
export const PAGE_SIZE_BYTES_DEFAULT = 4096;
/** `bucket.go` MaxKeySize. */
export const KEY_SIZE_BYTES_MAX = 32768;
/** `bucket.go` MaxValueSize. */
export const VALUE_SIZE_BYTES_MAX = 2 ** 31 - 2;
/** `bucket.go` maxInlineBucketSize: a bucket is stored inside its parent when its one leaf takes at most this part of a page. */
export const INLINE_BUCKET_PAGE_PART = 4;
