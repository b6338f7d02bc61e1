// From options to ConnectionOptions, as etcdctl does (`etcdctl/ctlv3/command/global.go`, `client/v3/config.go`), but for this: what would silently weaken
// security there is a fault here. etcdctl speaks plain text to an http:// endpoint whatever certificates are given, and takes passwords as arguments.
import { readFile } from "node:fs/promises";
import type { ConnectionOptions } from "../cluster/connection-options.ts";
import { parseEndpoint } from "../cluster/endpoint.ts";
import { EtcdsafeError } from "../errors.ts";
import type { Config, Environment } from "./config.ts";
import type { OptionName } from "./options.ts";
import { type Fault, type Origin, originText, rankOf } from "./origin.ts";
import { readSecretFile } from "./secret-file.ts";
import { whyUnreadable } from "./unreadable.ts";

export interface ReadConnection {
  /** Only to be used where there are no faults. */
  readonly options: ConnectionOptions;
  readonly faults: readonly Fault[];
}

/** Never throws. Reads the password file, and looks into the certificates' files. */
export async function readConnection(config: Config, environment: Environment): Promise<ReadConnection> {
  const faults: Fault[] = [...unsupportedVariables(config, environment), ...certificateWithoutKey(config)];
  const endpoints = readEndpoints(config, faults);
  const credentials = await readCredentials(config, faults);
  await checkPemFile(config, "cacert", /-----BEGIN (TRUSTED )?CERTIFICATE-----/, "holds no PEM certificate", faults);
  await checkPemFile(config, "cert", /-----BEGIN (TRUSTED )?CERTIFICATE-----/, "holds no PEM certificate", faults);
  await checkPemFile(config, "key", /-----BEGIN [A-Z ]*PRIVATE KEY-----/, "holds no PEM private key", faults);
  const [cacertPath, certPath, keyPath] = [config.get("cacert"), config.get("cert"), config.get("key")];
  const options = {
    endpoints,
    ...(cacertPath === undefined ? {} : { cacertPath }),
    ...(certPath === undefined ? {} : { certPath }),
    ...(keyPath === undefined ? {} : { keyPath }),
    ...(config.get("insecure-skip-tls-verify") ? { insecureSkipVerify: true } : {}),
    ...credentials,
    dialTimeoutMs: config.get("dial-timeout"),
    commandTimeoutMs: config.get("command-timeout"),
  };
  return { options, faults };
}

/** Every endpoint with its scheme. */
function readEndpoints(config: Config, faults: Fault[]): string[] {
  const origin = config.origin("endpoints");
  const demand = tlsDemand(config);
  const fallback = demand === undefined && !config.get("insecure-skip-tls-verify") ? "http" : "https";
  return config.get("endpoints").map((endpoint) => {
    const refuse = (text: string) => faults.push({ origin, key: "endpoints", text });
    if (endpoint.includes("@")) refuse("holds a user or a password, which an endpoint must not: give --user and --password-file");
    else {
      try {
        parseEndpoint(endpoint, {});
      } catch (error) {
        if (!(error instanceof EtcdsafeError)) throw error;
        refuse(error.message.replace(/^the endpoint /, ""));
      }
    }
    if (!endpoint.includes("://")) return `${fallback}://${endpoint}`;
    if (/^http:/i.test(endpoint) && demand !== undefined)
      refuse(`${endpoint} would be spoken to in plain text although ${demand} asks for TLS: write https://`);
    return endpoint;
  });
}

/** What asks for TLS, as the user wrote it. */
function tlsDemand(config: Config): string | undefined {
  const asking = (["cacert", "cert", "key"] as const).find((name) => config.get(name) !== undefined);
  if (asking !== undefined) return config.said(asking);
  return config.get("insecure-transport") ? undefined : config.said("insecure-transport");
}

function certificateWithoutKey(config: Config): Fault[] {
  const hasCert = config.get("cert") !== undefined;
  if (hasCert === (config.get("key") !== undefined)) return [];
  const [given, missing] = hasCert ? (["cert", "key"] as const) : (["key", "cert"] as const);
  return [{ origin: config.origin(given), key: given, text: `is of no use without --${missing}` }];
}

async function checkPemFile(config: Config, name: "cacert" | "cert" | "key", pattern: RegExp, otherwise: string, faults: Fault[]): Promise<void> {
  const path = config.get(name);
  if (path === undefined) return;
  const refuse = (text: string) => faults.push({ origin: config.origin(name), key: name, text: `${path} ${text}` });
  try {
    const pem = await readFile(path, "latin1");
    if (!pattern.test(pem)) refuse(otherwise);
    else if (name === "key" && /ENCRYPTED/.test(pem))
      refuse("is encrypted, and there is no way to give its passphrase: decrypt it, and protect it with file permissions");
  } catch (error) {
    refuse(`cannot be read: ${whyUnreadable(error)}`);
  }
}

interface Password {
  readonly password: string;
  readonly origin: Origin;
  readonly option: OptionName;
}

async function readCredentials(config: Config, faults: Fault[]): Promise<{ user?: string; password?: string }> {
  const name = config.get("user");
  const origin = config.origin("user");
  const separate = await readPassword(config, faults);
  if (name === undefined) {
    if (separate !== undefined) faults.push({ origin: separate.origin, key: separate.option, text: "is a password without a user: give --user" });
    return {};
  }
  const colon = name.indexOf(":");
  if (separate !== undefined) return { user: name, password: separate.password };
  if (colon >= 0 && colon < name.length - 1) return { user: name.slice(0, colon), password: name.slice(colon + 1) };
  faults.push({
    origin,
    key: "user",
    text: "needs a password: etcdctl would ask for it; give --password-file FILE, or set ETCDSAFE_PASSWORD or ETCDCTL_PASSWORD",
  });
  return {};
}

/** The password that counts most; two that count the same are a fault. */
async function readPassword(config: Config, faults: Fault[]): Promise<Password | undefined> {
  const direct = config.get("password");
  const path = config.get("password-file");
  const [directOrigin, fileOrigin] = [config.origin("password"), config.origin("password-file")];
  const ranking = direct === undefined ? -1 : path === undefined ? 1 : rankOf(directOrigin) - rankOf(fileOrigin);
  if (ranking === 0) faults.push({ origin: fileOrigin, key: "password-file", text: `and ${originText(directOrigin)} are both set: which one is meant?` });
  if (direct !== undefined && ranking > 0) return { password: direct, origin: directOrigin, option: "password" };
  if (path === undefined) return undefined;
  const read = await readSecretFile(path, "a password");
  if ("refused" in read) faults.push({ origin: fileOrigin, key: "password-file", text: `${path} ${read.refused}` });
  return { password: "secret" in read ? read.secret : "", origin: fileOrigin, option: "password-file" };
}

/** What etcdctl would obey, and what ignoring it could mean another cluster or no login. */
function unsupportedVariables(config: Config, environment: Environment): Fault[] {
  const beats = (name: OptionName) => rankOf(config.origin(name)) > rankOf({ kind: "etcdctl", variable: "" });
  const faults: Fault[] = [];
  const refuse = (variable: string, text: string) => faults.push({ origin: { kind: "etcdctl", variable }, text });
  if (environment["ETCDCTL_AUTH_JWT_TOKEN"] && !beats("user"))
    refuse("ETCDCTL_AUTH_JWT_TOKEN", "is not understood: log in with a user and password, or a client certificate");
  if (environment["ETCDCTL_DISCOVERY_SRV"] && !beats("endpoints")) refuse("ETCDCTL_DISCOVERY_SRV", "is not understood: name the members with --endpoints");
  return faults;
}
