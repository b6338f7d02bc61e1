// Certificates and keys from their files, as node:tls takes them.
import { readFileSync } from "node:fs";
import { isIP } from "node:net";
import { checkServerIdentity, createSecureContext, getCACertificates, type SecureContext, type ConnectionOptions as TlsOptions } from "node:tls";
import { EtcdsafeError } from "../errors.ts";
import type { ConnectionOptions } from "./connection-options.ts";

export interface TlsIdentity {
  readonly options: TlsOptions;
  /** For messages: whether a client certificate is offered. */
  readonly hasClientCertificate: boolean;
}

type Identity = Pick<ConnectionOptions, "cacertPath" | "certPath" | "keyPath" | "insecureSkipVerify" | "serverName">;

/** `secure`: whether TLS will be spoken at all. Throws CONFIG_INVALID or FILE_FAILED. */
export function readTlsIdentity(connection: Identity, secure: boolean): TlsIdentity {
  const { cacertPath, certPath, keyPath, insecureSkipVerify, serverName } = connection;
  if ((certPath === undefined) !== (keyPath === undefined)) {
    throw new EtcdsafeError("CONFIG_INVALID", "a client certificate needs both --cert and --key", { hint: "Give both, or neither." });
  }
  const secureContext = createContext(
    {
      ...(cacertPath !== undefined ? { ca: readPem(cacertPath, "--cacert") } : secure && insecureSkipVerify !== true ? { ca: systemAuthorities() } : {}),
      ...(certPath === undefined ? {} : { cert: readPem(certPath, "--cert") }),
      ...(keyPath === undefined ? {} : { key: readPem(keyPath, "--key") }),
    },
    connection,
  );
  return {
    hasClientCertificate: certPath !== undefined,
    options: {
      secureContext,
      rejectUnauthorized: insecureSkipVerify !== true,
      ...(serverName === undefined
        ? {}
        : {
            checkServerIdentity: (_host, certificate) => checkServerIdentity(serverName, certificate),
            ...(isIP(serverName) === 0 ? { servername: serverName } : {}), // RFC 6066 §3 allows no addresses here.
          }),
    },
  };
}

function readPem(path: string, flag: string): Buffer {
  let pem: Buffer;
  try {
    pem = readFileSync(path);
  } catch (cause) {
    throw new EtcdsafeError("FILE_FAILED", `cannot read ${path} (${flag}): ${(cause as Error).message}`, { cause });
  }
  // node:tls takes a file without any certificate for an empty list of authorities, and then blames the server.
  if (pem.includes("-----BEGIN ")) return pem;
  throw new EtcdsafeError("CONFIG_INVALID", `${path} (${flag}) is not a PEM file`, { hint: "A PEM file has lines like -----BEGIN CERTIFICATE-----." });
}

/** As etcdctl does; node:tls by itself trusts the authorities that Mozilla ships, and not those of the host. */
function systemAuthorities(): string[] {
  return [...new Set(getCACertificates("system"))];
}

function createContext(pems: { ca?: Buffer | string[]; cert?: Buffer; key?: Buffer }, { cacertPath, certPath, keyPath }: Identity): SecureContext {
  try {
    return createSecureContext(pems);
  } catch (cause) {
    // By OpenSSL's X509_R_KEY_VALUES_MISMATCH and X509_R_KEY_TYPE_MISMATCH.
    if (/KEY_(VALUES|TYPE)_MISMATCH/.test((cause as NodeJS.ErrnoException).code ?? "")) {
      const hint = "Give the key that the certificate was made with.";
      throw new EtcdsafeError("CONFIG_INVALID", `the key ${keyPath} (--key) does not belong to the certificate ${certPath} (--cert)`, { hint, cause });
    }
    const files = [cacertPath, certPath, keyPath].filter((path) => path !== undefined).join(", ");
    throw new EtcdsafeError("CONFIG_INVALID", `certificates or key cannot be used (${files}): ${(cause as Error).message}`, {
      hint: "The key must be unencrypted PEM and belong to the certificate.",
      cause,
    });
  }
}
