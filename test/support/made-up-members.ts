// Members that are made up of what a test wants them to say, for what takes a snapshot of one and asks the others; no socket is opened.
import { Readable } from "node:stream";
import type { MemberClient } from "../../src/cluster/channel.ts";
import type { MemberClients } from "../../src/cluster/member-clients.ts";
import { ProtoReader, ProtoWriter } from "../../src/proto/wire.ts";

export interface MadeUpMember {
  readonly id: bigint;
  /** The file that it sends, hash included. */
  readonly snapshot: Uint8Array;
  /** At which its cluster is. */
  readonly revision: number;
  /** Its HashKV at any revision; nothing is compacted. */
  readonly hash?: number;
}

/** `answers` tells who answers at an endpoint, by the method. `asked`: what was called, in order, and how reads were to be answered. */
export function madeUpClients(answers: (endpoint: string, method: string) => MadeUpMember): { readonly clients: MemberClients; readonly asked: string[] } {
  const asked: string[] = [];
  const at = (endpoint: string) => ({
    endpoint,
    call: async (method: string, message: Uint8Array) => {
      const { id, revision, hash = 0 } = answers(endpoint, method);
      asked.push(method === "KV/Range" ? `${method}, ${isSerializable(message) ? "serializable" : "linearizable"}` : method);
      const answer = new ProtoWriter().bytes(1, new ProtoWriter().varint(2, id).varint(3, revision).finish());
      return (method === "Maintenance/HashKV" ? answer.varint(2, hash) : answer).finish();
    },
    stream: async (method: string) => {
      const { snapshot } = answers(endpoint, method);
      asked.push(method);
      const body = Readable.from([snapshot.subarray(0, -32), snapshot.subarray(-32)].map(snapshotMessage));
      return { body, finished: new Promise<void>((resolve) => body.once("end", resolve)), cancel: () => body.destroy() };
    },
  });
  return { clients: { secure: false, at: (endpoint: string) => at(endpoint) as unknown as MemberClient } as MemberClients, asked };
}

/** rpc.proto, SnapshotResponse, behind the prefix of gRPC. Nothing remains of the database behind the first, and the hash counts as nothing. */
function snapshotMessage(blob: Uint8Array): Buffer {
  const message = new ProtoWriter().bytes(3, blob).finish();
  const prefix = Buffer.alloc(5);
  prefix.writeUInt32BE(message.length, 1);
  return Buffer.concat([prefix, message]);
}

/** rpc.proto, RangeRequest. */
function isSerializable(rangeRequest: Uint8Array): boolean {
  const reader = new ProtoReader(rangeRequest);
  while (reader.next()) {
    if (reader.field === 7) return reader.bool();
    reader.skip();
  }
  return false;
}
