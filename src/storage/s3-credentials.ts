// Whose name requests are signed with: a file as Gardener's tools take it, read again whenever it changes, or the SDK's own chain, which is asked
// anew once the store has refused what it gave: files that it reads may have been rotated.
import type { S3ClientConfig } from "@aws-sdk/client-s3";
import { gardenerVersion } from "./gardener-values.ts";
import { readS3Gardener } from "./s3-gardener.ts";

type Provider = Extract<S3ClientConfig["credentials"], (...args: never[]) => unknown>;
type Identity = Awaited<ReturnType<Provider>>;
/** The SDK's chain: environment, shared files, processes, web identity, container, instance. */
export type MakeChain = (init: { readonly ignoreCache: boolean }) => Provider;

export interface S3Credentials {
  readonly provider: Provider;
  /** The store refused the last ones. Whether there are others now. */
  renew(): Promise<boolean>;
}

export function s3Credentials(file: string | undefined, makeChain: MakeChain): S3Credentials {
  const source = file === undefined ? chainSource(makeChain) : fileSource(file);
  let last: Identity | undefined;
  const current = async (): Promise<Identity> => {
    last = await source.current();
    // Expired at once: the SDK asks for each request, and what is kept is kept here.
    return { ...last, expiration: new Date(0) };
  };
  return {
    provider: current,
    renew: async () => {
      const refused = last;
      source.forget();
      const { accessKeyId, secretAccessKey, sessionToken } = await source.current();
      return refused?.accessKeyId !== accessKeyId || refused.secretAccessKey !== secretAccessKey || refused.sessionToken !== sessionToken;
    },
  };
}

interface Source {
  current(): Promise<Identity>;
  forget(): void;
}

function chainSource(makeChain: MakeChain): Source {
  let chain = makeChain({ ignoreCache: true });
  return {
    current: () => chain(),
    forget: () => {
      chain = makeChain({ ignoreCache: true });
    },
  };
}

function fileSource(path: string): Source {
  let seen: string | undefined;
  let identity: Identity | undefined;
  return {
    current: async () => {
      const version = await gardenerVersion(path).catch(() => undefined); // What reading says of it is clearer.
      if (identity === undefined || version === undefined || version !== seen) {
        identity = (await readS3Gardener(path)).keys;
        seen = version;
      }
      return identity;
    },
    forget: () => {
      identity = undefined;
    },
  };
}
