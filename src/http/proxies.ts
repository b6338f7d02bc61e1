// The variables that name proxies, read before Node's agents read them: those repeat a URL that they cannot parse, with the password that is in it.
import { EtcdsafeError } from "../errors.ts";
import { hasUsableCredentials } from "./percent-encoding.ts";

const HINT =
  "Write it as http://USER:PASSWORD@HOST:PORT, with / \\ ? # % in the user and the password percent-encoded (%2F %5C %3F %23 %25); or give --storage-proxy, which counts instead.";

/**
 * What Node's agents take as `proxyEnv`: `proxy` for every host where it is given, else what the environment says. Throws CONFIG_INVALID, also for a variable
 * that no request may come to need, and repeats nothing of it: where user information ends cannot be told in what does not parse.
 */
export function proxyVariables(proxy: string | undefined, environment: NodeJS.ProcessEnv = process.env): NodeJS.ProcessEnv {
  if (proxy !== undefined) {
    const url = usableUrl("--storage-proxy", proxy);
    return { HTTP_PROXY: url, HTTPS_PROXY: url };
  }
  const found: NodeJS.ProcessEnv = {};
  for (const [small, name] of [
    ["http_proxy", "HTTP_PROXY"],
    ["https_proxy", "HTTPS_PROXY"],
    ["no_proxy", "NO_PROXY"],
  ] as const) {
    const variable = environment[small] ? small : name; // As everybody does who takes both.
    const text = environment[variable]?.trim() ?? "";
    if (text !== "") found[name] = name === "NO_PROXY" ? text : usableUrl(variable, text);
  }
  return found;
}

function usableUrl(variable: string, text: string): string {
  // Node's agents would take no notice of it, and speak to the store directly.
  if (!/^https?:\/\//i.test(text)) throw unusable(variable, "does not begin with http:// or https://, and proxies of other kinds (SOCKS) are not supported");
  const url = URL.canParse(text) && !/\p{Cc}/u.test(text) ? new URL(text) : undefined;
  // After a password of digits and a slash, "12/x", all that follows is a path, and what is before it a host and a port.
  if (url === undefined || `${url.pathname}${url.search}${url.hash}`.includes("@")) throw unusable(variable, "is not the URL of a proxy");
  if (!hasUsableCredentials(url)) throw unusable(variable, "has a % in its user or password that is not percent-encoded");
  return url.href;
}

function unusable(variable: string, why: string): EtcdsafeError {
  return new EtcdsafeError("CONFIG_INVALID", `${variable} ${why}; it is not repeated here, as it may hold a password`, { hint: HINT });
}
