// What the names say that other tools give to snapshots. Pure.
import type { Packing } from "./packing.ts";

/** etcd-backup-restore pkg/snapstore/snapshot.go, ParseSnapshot, and pkg/types/snapstore.go, GenerateSnapshotName. */
const ETCDBR_NAME = /^(Full|Incr)-(\d{8,19})-(\d{8,19})-(\d{1,12})((?:\.[^.]*)*)$/;
const FINAL = ".final";
/** etcd-backup-restore pkg/compressor/types.go. */
const ETCDBR_PACKING: Readonly<Record<string, Packing>> = { "": "none", ".gz": "gzip", ".Z": "lzw", ".zlib": "zlib" };

export interface EtcdbrName {
  readonly kind: "full" | "delta";
  readonly firstRevision: bigint;
  /** Of a full the revision that the cluster had just before it was taken: it may hold more. */
  readonly lastRevision: bigint;
  readonly createdAt: Date;
  readonly isFinal: boolean;
  /** Undefined for a suffix that etcdbrctl does not know either. */
  readonly packing: Packing | undefined;
}

/** `name` is the last part of a key. Undefined for what etcdbrctl did not name. */
export function parseEtcdbrName(name: string): EtcdbrName | undefined {
  const [, kind, first = "", last = "", seconds, suffixes = ""] = ETCDBR_NAME.exec(name) ?? [];
  if (kind === undefined || BigInt(first) > BigInt(last)) return undefined;
  const createdAt = new Date(Number(seconds) * 1000);
  if (Number.isNaN(createdAt.getTime())) return undefined;
  const isFinal = suffixes.endsWith(FINAL);
  return {
    kind: kind === "Full" ? "full" : "delta",
    firstRevision: BigInt(first),
    lastRevision: BigInt(last),
    createdAt,
    isFinal,
    packing: ETCDBR_PACKING[isFinal ? suffixes.slice(0, -FINAL.length) : suffixes],
  };
}

/** `20261121T093000Z`, `2026-11-21T09:30:00`, `2026-11-21_09-30-00`. */
const DATE_TIME = /(?<!\d)(20\d{2})-?(\d{2})-?(\d{2})[T_-]?(\d{2})[:.-]?(\d{2})[:.-]?(\d{2})(?!\d)/;
/** Seconds since 1970, from 2001 on, as k3s and RKE2 end their names. */
const UNIX_SECONDS = /(?<!\d)(1\d{9})(?!\d)/;

/** Taken for UTC, whatever the clock was set to that named it; undefined where no time of day is in the name. */
export function timeInName(name: string): Date | undefined {
  const [, year, month, day, hour, minute, second] = DATE_TIME.exec(name) ?? [];
  if (year !== undefined) {
    const time = new Date(`${year}-${month}-${day}T${hour}:${minute}:${second}Z`);
    if (!Number.isNaN(time.getTime()) && time.getUTCDate() === Number(day)) return time;
  }
  const [, seconds] = UNIX_SECONDS.exec(name) ?? [];
  return seconds === undefined ? undefined : new Date(Number(seconds) * 1000);
}

/** k3s pkg/etcd/snapshot.go: `etcd-snapshot-<node>-<unix>`, `on-demand-<node>-<unix>`. */
const RANCHER_NAME = /^(etcd-snapshot|on-demand)-.*-1\d{9}(\.zip)?$/;
const SNAPSHOT_NAME = /(\.db|\.snap|\.snapshot|snapshot[^/]*)(\.(gz|zst|zip|part))*$/i;

/** Whether somebody who looks for a snapshot would stop at this name: then it is said why it is none. */
export function isSnapshotName(name: string): boolean {
  return RANCHER_NAME.test(name) || SNAPSHOT_NAME.test(name);
}

/** The last part of a key. */
export function lastPart(key: string): string {
  return key.slice(key.lastIndexOf("/") + 1);
}
