// What the manifests find around them: an etcd with client certificates, an S3 server, and the Secrets and the kustomization of docs/kubernetes.md.
import { chmod, readFile } from "node:fs/promises";
import { join } from "node:path";
import { generateX25519Identity, identityToRecipient } from "age-encryption";
import type { EtcdCluster } from "../support/etcd.ts";
import { type GuardedEtcd, prepareGuardedEtcd } from "../support/guarded-etcd.ts";
import { withInstead } from "../support/markdown.ts";
import { type S3Server, startVersitygw } from "../support/versitygw.ts";
import { documentedKustomization, documentedSecrets, kustomizedText } from "./kubernetes.ts";
import type { KubernetesObject } from "./kubernetes-api.ts";

export interface Installation {
  readonly etcd: GuardedEtcd;
  readonly cluster: EtcdCluster;
  readonly server: S3Server;
  /** Contents by name and key. */
  readonly secrets: Readonly<Record<string, Readonly<Record<string, string>>>>;
  /** The page's kustomization, with the bucket and the etcd that are here, and other overlays and components where they are named. */
  objects(repository: string, overlay?: string, components?: readonly string[]): Promise<KubernetesObject[]>;
  stop(): Promise<void>;
}

/** In a directory that exists. `size`: etcd's members. */
export async function startSurroundings(directory: string, { size }: { readonly size: number }): Promise<Installation> {
  await chmod(directory, 0o755);
  const etcd = await prepareGuardedEtcd(directory);
  const [cluster, server] = await Promise.all([etcd.start({ size }), startVersitygw()]);
  const identity = await generateX25519Identity();
  const certificate = etcd.certificate("etcdsafe");
  const contents: Record<string, string> = {
    "recipients.txt": `${await identityToRecipient(identity)}\n`,
    "access-key": server.keys.accessKeyId,
    "secret-key": server.keys.secretAccessKey,
    "ca.crt": await readFile(etcd.authority.path, "utf8"),
    "client.crt": await readFile(certificate.cert, "utf8"),
    "client.key": await readFile(certificate.key, "utf8"),
    "key.txt": `${identity}\n`,
    // Nobody is told unless a test says whom.
    "heartbeat-url": "",
    "webhook-url": "",
  };
  const secrets = Object.fromEntries(
    Object.entries(documentedSecrets()).map(([name, files]) => [name, Object.fromEntries(Object.entries(files).map(([key, file]) => [key, contents[file]!]))]),
  );
  let installed = 0;
  return {
    etcd,
    cluster,
    server,
    secrets,
    objects: (repository, overlay = "external-etcd", components = []) => {
      // A node asks its own member, which names the others.
      const endpoints = overlay === "external-etcd" ? cluster.endpoints : cluster.endpoints.slice(0, 1);
      const text = withInstead(documentedKustomization(), {
        "https://etcd-1:2379,https://etcd-2:2379,https://etcd-3:2379": endpoints.join(","),
        "overlays/external-etcd": `overlays/${overlay}`,
        "components/s3-keys\n": `components/s3-keys\n${components.map((name) => `  - etcdsafe/config/kubernetes/components/${name}\n`).join("")}`,
        "s3://backups/etcd": `${repository}\n      - ETCDSAFE_S3_ENDPOINT=${server.url}\n      - ETCDSAFE_S3_PATH_STYLE=true`,
        "eu-central-1": "us-east-1",
      });
      return kustomizedText(text, join(directory, `install-${++installed}`));
    },
    stop: async () => {
      await Promise.all([cluster.stop(), server.stop()]);
    },
  };
}
