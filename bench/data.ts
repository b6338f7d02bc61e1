// The databases that are measured, written through a real etcd 3.7 so that their pages lie as etcd lays them: one that only ever grew, and one
// overwritten, compacted and overwritten again, with free pages in between and rows of keys that later ones supersede.
import { randomBytes } from "node:crypto";
import type { Etcd3 } from "etcd3";
import { type EtcdCluster, startCluster } from "../test/support/etcd.ts";
import { deleteMany, type KeyValueBytes, putMany } from "../test/support/etcd-data.ts";
import { type RandomNumbers, randomNumbers } from "../test/support/random-history.ts";

export interface DataSet {
  readonly name: "uncompacted" | "compacted";
  readonly description: string;
  /** Writes `rows` rows at most at a time, so that the database grows to about rows × ROW_SIZE_BYTES. */
  fill(cluster: EtcdCluster, rows: number): Promise<void>;
}

/** Of disk that a row takes, with its key and headers: two of them fill two pages. */
export const ROW_SIZE_BYTES = 4096;
const VALUE_SIZE_BYTES = 3900;
const SEED = 20261121;

export const DATA_SETS: readonly DataSet[] = [
  {
    name: "uncompacted",
    description: "every key written once",
    fill: async (cluster, rows) => putMany(await cluster.client(), keyValues(range(rows))),
  },
  {
    name: "compacted",
    description:
      "half as many keys, all overwritten, compacted; then half of them overwritten in random order, compacted again, half of them overwritten once more, some deleted",
    fill: async (cluster, rows) => {
      const client = await cluster.client();
      const random = randomNumbers(SEED);
      const keys = range(Math.floor(rows / 2));
      await putMany(client, keyValues(keys));
      await putMany(client, keyValues(shuffled(keys, random)));
      await compact(client);
      await putMany(client, keyValues(shuffled(keys, random).slice(0, Math.floor(keys.length / 2))));
      await compact(client);
      await putMany(client, keyValues(shuffled(keys, random).slice(0, Math.floor(keys.length / 2))));
      await deleteMany(
        client,
        shuffled(keys, random)
          .slice(0, Math.floor(keys.length / 50))
          .map(keyOf),
      );
    },
  },
];

/** A one-member etcd whose database has grown to about `rows` rows of this set; its files lie in `directory`. */
export async function startFilled(set: DataSet, rows: number, directory: string): Promise<EtcdCluster> {
  const cluster = await startCluster({
    minor: "3.7",
    directory,
    extraArgs: ["--quota-backend-bytes", String(16 * 1024 ** 3)],
    // What tests want checked at every step would be measured as part of etcd's own speed here.
    env: { ETCD_VERIFY: "" },
  });
  try {
    await set.fill(cluster, rows);
    return cluster;
  } catch (error) {
    await cluster.stop();
    throw error;
  }
}

function* keyValues(indexes: readonly number[]): Generator<KeyValueBytes> {
  for (const index of indexes) yield { key: keyOf(index), value: value() };
}

function keyOf(index: number): string {
  return `/registry/objects/namespace-${index % 100}/object-${String(index).padStart(8, "0")}`;
}

/** Half random text and half words, about as compressible as what Kubernetes stores. */
function value(): Buffer {
  const text = Buffer.alloc(VALUE_SIZE_BYTES, '{"apiVersion":"v1","kind":"ConfigMap","metadata":{"labels":{"app":"bench"}}} ');
  text.write(randomBytes(1464).toString("base64"), 500, "latin1"); // 1,952 characters.
  return text;
}

async function compact(client: Etcd3): Promise<void> {
  const { header } = await client.kv.range({ key: Buffer.of(0), count_only: true });
  // Physical: answers when the rows are gone, so that what follows reuses their pages.
  await client.kv.compact({ revision: header.revision, physical: true });
}

function range(count: number): number[] {
  return Array.from({ length: count }, (_, index) => index);
}

function shuffled(values: readonly number[], random: RandomNumbers): number[] {
  const order = [...values];
  for (let last = order.length - 1; last > 0; last--) {
    const other = random.integer(0, last);
    [order[last], order[other]] = [order[other] as number, order[last] as number];
  }
  return order;
}
