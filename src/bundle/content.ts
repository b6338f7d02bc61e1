// What a file of a host is, by its content: whether it must not be stored for everybody to read, and what of a cluster it can bring back. Pure.
// To take something harmless for a secret costs an option; to overlook one gives the cluster away. So these look for signs, and parse nothing.
import { createPrivateKey } from "node:crypto";
import { basename } from "node:path";

export type ContentKind = "certificate" | "private-key" | "credentials" | "encryption-configuration" | "encryption-key" | "static-pod";

const SECRET: ReadonlySet<ContentKind> = new Set(["private-key", "credentials", "encryption-key"]);

/** RFC 7468 §10 and 11, and OpenSSL's older labels: `RSA PRIVATE KEY`, `EC PRIVATE KEY`, … */
const PEM_PRIVATE_KEY = /-----BEGIN (?:[A-Z0-9]+ )*PRIVATE KEY-----/;
const PEM_CERTIFICATE = /-----BEGIN (?:TRUSTED |X509 )?CERTIFICATE-----/;
/** "-----BEGIN " in base64, as a kubeconfig and a Secret hold PEM. */
const PEM_IN_BASE64 = /LS0tLS1CRUdJTi[A-Za-z0-9+/]{16,64}/g;
/** RFC 7292 §4: PFX is a SEQUENCE that begins with version 3, and then has another one. */
const PKCS12_VERSION: Uint8Array = Buffer.from([0x02, 0x01, 0x03, 0x30]);
/** DER of a key is a few kilobytes at most. */
const DER_SIZE_BYTES_MAX = 64 * 1024;

/** Keys of YAML and JSON: kubeconfig's, those of k3s's and RKE2's config.yaml, and a Secret's. What follows is neither nothing nor another map. */
const SECRET_VALUE =
  /(?:^|[\s{,])["']?(?:client-key-data|token|agent-token|id-token|refresh-token|client-secret|password|etcd-s3-secret-key)["']?[ \t]*:[ \t]*["']?[^\s"'#{}[\],]/m;
/** Variables of a unit's environment, but etcd's name for its cluster. */
const SECRET_VARIABLE = /(?<![A-Z0-9_])(?!ETCD_INITIAL_CLUSTER_TOKEN=)[A-Z0-9_]*(?:TOKEN|PASSWORD|SECRET|SECRET_KEY)=["']?[^\s"'$]/;
const SECRET_FLAG = /(?<![\w-])--(?:token|agent-token|password|etcd-s3-secret-key)(?:=|[ \t]+)["']?[^\s"'$-]/;
/** k3s, `pkg/clientaccess/token.go`: `K10<SHA-256 of the CA>::<user>:<password>`; and kubeadm's bootstrap tokens. */
const TOKEN = /\bK10[0-9a-f]{64}::|^\s*[a-z0-9]{6}\.[a-z0-9]{16}\s*$/;
/** k3s and RKE2 keep these without anything that would tell them from other words: server/token, server/agent-token, cred/passwd, /etc/rancher/node/password. */
const TOKEN_FILE = /^(?:(?:[\w.-]+-)?token|passwd|password)$/;
const SECRET_OBJECT = /(?:^|[\s{,])["']?kind["']?[ \t]*:[ \t]*["']?Secret\b/m;
/** Kubernetes' `apiserver/pkg/apis/apiserver`: EncryptionConfiguration, EncryptionConfig until 1.13. */
const ENCRYPTION_CONFIGURATION = /(?:^|[\s{,])["']?kind["']?[ \t]*:[ \t]*["']?EncryptionConfig(?:uration)?\b/m;
const ENCRYPTION_KEY = /["']?secret["']?[ \t]*:[ \t]*["']?[A-Za-z0-9+/]/;
const POD = /(?:^|[\s{,])["']?kind["']?[ \t]*:[ \t]*["']?Pod\b/m;

/** `source` is the file's path on its host. */
export function kindsOf(source: string, bytes: Uint8Array): ContentKind[] {
  const text = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length).toString("latin1");
  const isEncryption = ENCRYPTION_CONFIGURATION.test(text);
  const found: [ContentKind, boolean][] = [
    ["certificate", PEM_CERTIFICATE.test(text)],
    ["private-key", PEM_PRIVATE_KEY.test(text) || holdsEncodedKey(text) || isBinaryKey(bytes)],
    ["credentials", isCredentials(source, text)],
    ["encryption-configuration", isEncryption],
    ["encryption-key", isEncryption && ENCRYPTION_KEY.test(text)],
    ["static-pod", POD.test(text)],
  ];
  return found.filter(([, is]) => is).map(([kind]) => kind);
}

/** Whether whoever reads a file of these kinds can act as a part of the cluster, or read what it keeps secret. */
export function isSecret(kinds: readonly ContentKind[]): boolean {
  return kinds.some((kind) => SECRET.has(kind));
}

function isCredentials(source: string, text: string): boolean {
  if (TOKEN_FILE.test(basename(source)) && text.trim() !== "") return true;
  return [SECRET_VALUE, SECRET_VARIABLE, SECRET_FLAG, TOKEN, SECRET_OBJECT].some((sign) => sign.test(text));
}

function holdsEncodedKey(text: string): boolean {
  return [...text.matchAll(PEM_IN_BASE64)].some(([start]) => PEM_PRIVATE_KEY.test(Buffer.from(start, "base64").toString("latin1")));
}

function isBinaryKey(bytes: Uint8Array): boolean {
  if (bytes[0] !== 0x30) return false;
  // X.690 §8.1.3: the length takes a byte, or a byte that says how many follow.
  const start = 2 + ((bytes[1] ?? 0) < 0x80 ? 0 : (bytes[1] ?? 0) & 0x7f);
  if (PKCS12_VERSION.every((byte, index) => bytes[start + index] === byte)) return true;
  if (bytes.length > DER_SIZE_BYTES_MAX) return false;
  return (["pkcs8", "pkcs1", "sec1"] as const).some((type) => {
    try {
      createPrivateKey({ key: Buffer.from(bytes), format: "der", type });
      return true;
    } catch (error) {
      // An encrypted one is a key as well.
      return (error as NodeJS.ErrnoException).code === "ERR_MISSING_PASSPHRASE";
    }
  });
}
