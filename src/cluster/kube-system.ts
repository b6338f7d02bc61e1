// The UID of a Kubernetes cluster's namespace kube-system, read from etcd: it tells two Kubernetes clusters apart even where etcd's own ids are equal.
import { decodeRangeValue, encodeKeyRead } from "../proto/rpc-kv.ts";
import { ProtoReader } from "../proto/wire.ts";
import type { MemberClient, UnaryOptions } from "./channel.ts";

/** Where kube-apiserver keeps it under its default --etcd-prefix. */
const KUBE_SYSTEM_KEY = "/registry/namespaces/kube-system";
/** k8s.io/apimachinery, protobuf serializer: what its values begin with. */
const KUBERNETES_MAGIC = Buffer.from("k8s\0");
const UID = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/;

/** Null where there is no such key, or its value is not what kube-apiserver writes in clear. Rejects with ETCD_* errors. */
export async function kubeSystemUid(client: MemberClient, options: UnaryOptions): Promise<string | null> {
  const value = decodeRangeValue(await client.call("KV/Range", encodeKeyRead(Buffer.from(KUBE_SYSTEM_KEY)), options));
  return value === undefined ? null : namespaceUid(value);
}

/** The UID in a stored namespace; null for anything that is none. Source: k8s.io/apimachinery `runtime.Unknown`, `ObjectMeta`; k8s.io/api `Namespace`. */
export function namespaceUid(value: Uint8Array): string | null {
  if (!KUBERNETES_MAGIC.equals(value.subarray(0, KUBERNETES_MAGIC.length))) return null;
  try {
    const object = field(value.subarray(KUBERNETES_MAGIC.length), 2);
    const metadata = object && field(object, 1);
    const uid = metadata && field(metadata, 5);
    const text = uid === undefined ? "" : Buffer.from(uid).toString("latin1");
    return UID.test(text) ? text : null;
  } catch {
    return null; // Not protobuf after all: an encrypted value, say, that happens to begin so.
  }
}

function field(message: Uint8Array, number: number): Uint8Array | undefined {
  const reader = new ProtoReader(message);
  while (reader.next()) {
    if (reader.field === number) return reader.bytes();
    reader.skip();
  }
  return undefined;
}
