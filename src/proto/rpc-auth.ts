// Auth/Authenticate of etcd `api/etcdserverpb/rpc.proto`.
import { ProtoReader, ProtoWriter } from "./wire.ts";

export function encodeAuthenticateRequest(user: string, password: string): Uint8Array {
  return new ProtoWriter().string(1, user).string(2, password).finish();
}

/** The token to send with every other call. */
export function decodeAuthenticateResponse(bytes: Uint8Array): string {
  const reader = new ProtoReader(bytes);
  let token = "";
  while (reader.next()) {
    if (reader.field === 2) token = reader.string();
    else reader.skip();
  }
  return token;
}
