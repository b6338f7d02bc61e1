// Names in a data directory that are neither the database, nor the log, nor raft snapshots. Pure.

/** What a file or directory is that etcd or etcdsafe left behind; undefined for everything else. `place` is the directory it lies in. */
export function leftoverText(place: "data" | "member" | "snap" | "wal", name: string): string | undefined {
  return LEFTOVERS[place].find(({ pattern }) => pattern.test(name))?.text;
}

/** etcd leaves what it knows: `server/storage/backend/backend.go` (db.tmp), `api/snap/db.go` (tmp…, .snap.db), `snapshotter.go`, `wal/repair.go` (.broken), `wal/wal.go` (wal.tmp). */
const LEFTOVERS: Readonly<Record<"data" | "member" | "snap" | "wal", readonly { readonly pattern: RegExp; readonly text: string }[]>> = {
  data: [
    { pattern: /^(member|journal)\.etcdsafe-/, text: "staged by a restore that did not finish; of no use unless one runs just now" },
    {
      pattern: /^proxy$/,
      text: "keeps etcd from starting here, as a restore does until all is in place; the next restore settles what an interrupted one left",
    },
    { pattern: /^member\.before-restore-/, text: "the member that a restore has replaced" },
  ],
  member: [{ pattern: /^wal\.(tmp|broken)/, text: "a log whose creation did not finish" }],
  snap: [
    { pattern: /^db\.tmp/, text: "a defragmentation that did not finish" },
    { pattern: /\.snap\.db$/, text: "a database received from the leader" },
    { pattern: /^tmp/, text: "a database from the leader that did not arrive whole" },
    { pattern: /\.broken$/, text: "set aside by etcd, which could not read it" },
  ],
  wal: [
    { pattern: /^before-restore-/, text: "the log of the member that a restore has replaced" },
    { pattern: /\.broken$/, text: "the copy that etcd made before it repaired the log" },
    { pattern: /\.etcdsafe-/, text: "staged by a restore that did not finish; of no use unless one runs just now" },
  ],
};
