// What an endpoint's text means, as etcd `client/v3/internal/endpoint` reads it: the scheme decides about TLS, and without one the certificates do.
import { EtcdsafeError } from "../errors.ts";
import type { ConnectionOptions } from "./connection-options.ts";

export interface Endpoint {
  /** As it was given: what messages call it. */
  readonly text: string;
  readonly host: string;
  readonly port: number;
  readonly secure: boolean;
}

type Certificates = Pick<ConnectionOptions, "cacertPath" | "certPath" | "insecureSkipVerify">;

/** Throws CONFIG_INVALID. */
export function parseEndpoint(text: string, certificates: Certificates): Endpoint {
  // Said first, so that no later message repeats the password.
  if (text.includes("@")) throw invalid(text.slice(text.lastIndexOf("@") + 1), "it carries a user or a password, which belong in --user and --password-file");
  const scheme = /^([a-z][a-z0-9+.-]*):\/\//i.exec(text)?.[1]?.toLowerCase();
  if (scheme !== undefined && scheme !== "http" && scheme !== "https") throw invalid(text, `its scheme is ${scheme}`);
  // A scheme of no meaning of its own, so that no port is its default and dropped.
  const url = URL.parse(`etcd://${scheme === undefined ? text : text.slice(scheme.length + 3)}`);
  if (url === null || url.hostname === "") throw invalid(text, "it is not a host and a port");
  if (url.port === "") throw invalid(text, "it has no port");
  if (!["", "/"].includes(url.pathname) || url.search !== "" || url.hash !== "") throw invalid(text, "it has a path");
  const hasCertificates = certificates.cacertPath !== undefined || certificates.certPath !== undefined || certificates.insecureSkipVerify === true;
  return {
    text,
    host: url.hostname.replace(/^\[(.*)\]$/, "$1"),
    port: Number(url.port),
    secure: scheme === undefined ? hasCertificates : scheme === "https",
  };
}

function invalid(text: string, why: string): EtcdsafeError {
  return new EtcdsafeError("CONFIG_INVALID", `the endpoint ${text} cannot be used: ${why}`, {
    hint: "Endpoints look like https://10.0.0.1:2379; several are separated by commas.",
  });
}
