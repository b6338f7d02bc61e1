// Whether a keyspace is that of a Kubernetes cluster, and encrypted at rest: by what its values begin with, since the prefix of its keys is anybody's choice
// (--etcd-prefix). Formats: `apimachinery/pkg/runtime/serializer/protobuf` (the magic), `apiserver/pkg/storage/value/encrypt` (the transformers' prefixes).
import type { KeyValueCursor } from "./key-value.ts";

/** "k8s" and a zero byte, before the protobuf of an object; "k8s:enc:", the provider and its version before what is encrypted. */
const K = 0x6b;
const EIGHT = 0x38;
const S = 0x73;
const COLON = 0x3a;
/** `k8s:enc:` and aescbc, secretbox, kms, …: names of a few letters. */
const PREFIX_SIZE_BYTES_MAX = 32;
/** More there are not (`apiserver/pkg/apis/apiserver`, ProviderConfiguration). */
const PROVIDERS_MAX = 8;
/** Custom resources, and everything where `--storage-media-type` says so. They are looked into only as long as it is of use: nothing else costs time here. */
const BRACE = 0x7b;
const JSON_LOOKED_INTO_MAX = 64;
const JSON_HEAD_SIZE_BYTES = 1024;

export interface KubernetesFacts {
  /** Values that are objects of Kubernetes: all in protobuf, and some of those in JSON. 0 in a keyspace of something else. */
  readonly objects: number;
  /** Values that were encrypted before etcd got them. */
  readonly encrypted: number;
  /** By which providers. */
  readonly providers: readonly string[];
}

export class KubernetesValues {
  #objects = 0;
  #encrypted = 0;
  #jsonLookedInto = 0;
  #lastPrefix: Uint8Array = new Uint8Array(0);
  readonly #providers = new Set<string>();

  /** Looks at a row's value. */
  add(bytes: Uint8Array, { valueStart: start, valueEnd: end }: KeyValueCursor): void {
    const first = bytes[start];
    if (first === K) {
      if (end - start < 4 || bytes[start + 1] !== EIGHT || bytes[start + 2] !== S) return;
      if (bytes[start + 3] === 0) this.#objects += 1;
      else if (bytes[start + 3] === COLON) this.#addEncrypted(bytes, start, end);
    } else if (first === BRACE && this.#jsonLookedInto < JSON_LOOKED_INTO_MAX && end - start > 1) {
      this.#jsonLookedInto += 1;
      const head = textOf(bytes, start, Math.min(end, start + JSON_HEAD_SIZE_BYTES));
      if (/"apiVersion"\s*:\s*"/.test(head) && /"kind"\s*:\s*"/.test(head)) this.#objects += 1;
    }
  }

  facts(): KubernetesFacts {
    return { objects: this.#objects, encrypted: this.#encrypted, providers: [...this.#providers].sort() };
  }

  #addEncrypted(bytes: Uint8Array, start: number, end: number): void {
    // As a rule all of them begin alike, and then nothing is allocated for them.
    const last = this.#lastPrefix;
    let same = last.length > 0 && last.length <= end - start;
    for (let index = 0; same && index < last.length; index++) same = bytes[start + index] === last[index];
    if (!same) {
      const head = textOf(bytes, start, Math.min(end, start + PREFIX_SIZE_BYTES_MAX));
      const [prefix, provider] = /^k8s:enc:([a-z0-9]+):/.exec(head) ?? [];
      if (prefix === undefined || provider === undefined) return;
      this.#lastPrefix = Buffer.from(prefix);
      if (this.#providers.size < PROVIDERS_MAX) this.#providers.add(provider);
    }
    this.#encrypted += 1;
  }
}

function textOf(bytes: Uint8Array, start: number, end: number): string {
  return Buffer.from(bytes.buffer, bytes.byteOffset + start, end - start).toString("latin1");
}
