// What the package offers to other programs. The only file that re-exports; inside, files import each other.
export { ERRORS, type ErrorCode, EtcdsafeError, FormatError } from "./errors.ts";
export { type CheckFileOptions, checkSnapshotFile, type SnapshotFileCheck } from "./etcd-files/check/check-file.ts";
export type { SnapshotFacts, SnapshotReport } from "./etcd-files/check/facts.ts";
export { type BackupEntry, type CatalogueEntry, listBackups, listClusters, type UnreadableEntry } from "./repository/catalogue.ts";
export type { Manifest } from "./repository/manifest.ts";
export { openRepository, type Repository } from "./repository/repository.ts";
export { resolveBackup } from "./repository/resolve.ts";
export { applyRestore, type RestoreOptions, type RestoreResult } from "./restore/apply.ts";
export { backupSource } from "./restore/backup-source.ts";
export { snapshotFileSource } from "./restore/file-source.ts";
export { planRestore, type RestorePlan, type RestoreRequest } from "./restore/plan.ts";
export type { SnapshotSource, SourceFacts } from "./restore/source.ts";
export type { CallOptions, LogEvent, Progress, Runtime } from "./runtime.ts";
export { openStorage } from "./storage/open.ts";
export { DEFAULT_SETTINGS, type StorageSettings } from "./storage/settings.ts";
export type { ObjectInfo, PutOptions, ReadOptions, Storage, StorageCapabilities } from "./storage/storage.ts";
