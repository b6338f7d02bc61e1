// What is raced against what, and the goals of it. Each run is a whole process as a user starts it, on files in the page cache.
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import type { EtcdBinaries } from "../scripts/provision.ts";
import { type Command, neutralEnvironment } from "../test/support/measured-cli.ts";
import type { Goal } from "./statistics.ts";

/** What the sides work on and with. */
export interface ContestSource {
  /** A client URL of the live etcd, which only runs for the contests that need it. */
  readonly endpoint: string;
  /** A snapshot of it, as etcdctl saved it. */
  readonly snapshot: string;
  /** etcdsafe with these arguments. */
  etcdsafe(...args: readonly string[]): Command;
  readonly peers: EtcdBinaries;
}

export interface Contest {
  readonly name: string;
  /** Both commands, for people. */
  readonly ours: string;
  readonly peer: string;
  readonly needs: "live etcd" | "file";
  readonly goal: Goal;
  /** Both write only into `directory`, which is empty before each run. */
  commands(source: ContestSource, directory: string): { readonly ours: Command; readonly peer: Command };
}

/** What every command of ours may hold in memory. */
const MAX_RSS_BYTES = 200 * 1000 ** 2;

export const CONTESTS: readonly Contest[] = [
  {
    name: "save to a file, SHA-256 alone",
    ours: "etcdsafe save --no-spool --output FILE",
    peer: "etcdctl snapshot save FILE",
    needs: "live etcd",
    goal: { timeRatioMax: 0.85, maxRssBytes: MAX_RSS_BYTES },
    commands: ({ endpoint, etcdsafe, peers }, directory) => ({
      ours: etcdsafe("save", "--no-spool", "--endpoints", endpoint, "--output", join(directory, "snapshot.db")),
      peer: etcdctlSave(peers, endpoint, directory),
    }),
  },
  {
    name: "save to a file, checked",
    ours: "etcdsafe save --output FILE",
    peer: "etcdctl snapshot save FILE",
    needs: "live etcd",
    goal: { maxRssBytes: MAX_RSS_BYTES },
    commands: ({ endpoint, etcdsafe, peers }, directory) => ({
      ours: etcdsafe("save", "--endpoints", endpoint, "--output", join(directory, "snapshot.db")),
      peer: etcdctlSave(peers, endpoint, directory),
    }),
  },
  {
    name: "save, compressed and checked",
    ours: "etcdsafe save --repository DIR",
    peer: "etcdctl snapshot save FILE",
    needs: "live etcd",
    goal: { timeRatioMax: 1.4, maxRssBytes: MAX_RSS_BYTES },
    commands: ({ endpoint, etcdsafe, peers }, directory) => ({
      ours: etcdsafe("save", "--endpoints", endpoint, "--repository", join(directory, "repository")),
      peer: etcdctlSave(peers, endpoint, directory),
    }),
  },
  {
    name: "verify a file",
    ours: "etcdsafe verify FILE",
    peer: "etcdutl snapshot status FILE",
    needs: "file",
    goal: { timeRatioMax: 1.1, maxRssBytes: MAX_RSS_BYTES },
    commands: ({ snapshot, etcdsafe, peers }) => ({
      ours: etcdsafe("verify", snapshot),
      peer: peer(peers.etcdutl, "snapshot", "status", snapshot),
    }),
  },
  {
    name: "restore one member",
    ours: "etcdsafe restore FILE --data-dir DIR --bump-revision none",
    peer: "etcdutl snapshot restore FILE --data-dir DIR",
    needs: "file",
    goal: { timeRatioMax: 0.8, maxRssBytes: MAX_RSS_BYTES },
    commands: ({ snapshot, etcdsafe, peers }, directory) => ({
      ours: etcdsafe("restore", snapshot, "--data-dir", join(directory, "data"), "--bump-revision", "none"),
      peer: peer(peers.etcdutl, "snapshot", "restore", snapshot, "--data-dir", join(directory, "data")),
    }),
  },
  {
    name: "encrypt",
    ours: "node bench/encrypt.ts ours FILE",
    peer: "age-encryption, as node bench/encrypt.ts library FILE calls it",
    needs: "file",
    goal: { timeRatioMax: 0.5, maxRssBytes: MAX_RSS_BYTES },
    commands: ({ snapshot }) => ({ ours: encrypt("ours", snapshot), peer: encrypt("library", snapshot) }),
  },
];

function encrypt(side: "ours" | "library", path: string): Command {
  return peer(process.execPath, fileURLToPath(new URL("encrypt.ts", import.meta.url)), side, path);
}

function etcdctlSave({ etcdctl }: EtcdBinaries, endpoint: string, directory: string): Command {
  return peer(etcdctl, "--endpoints", endpoint, "snapshot", "save", join(directory, "snapshot.db"));
}

function peer(file: string, ...args: readonly string[]): Command {
  return { file, args, env: neutralEnvironment() };
}
