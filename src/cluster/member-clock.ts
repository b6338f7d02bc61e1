// What a member's clock says, which no call of etcd's API tells: the Date header of what it answers over HTTP/1.1 on its client port (embed/serve.go).
import { request as requestPlain } from "node:http";
import { request as requestTls } from "node:https";
import { isIP } from "node:net";
import { clockReading } from "../bytes/date-header.ts";
import type { CallOptions, Runtime } from "../runtime.ts";
import type { ConnectionOptions } from "./connection-options.ts";
import { parseEndpoint } from "./endpoint.ts";
import { readTlsIdentity } from "./tls-identity.ts";

/** Nobody waits longer for what is only good to know. */
const LIMIT_MS = 3000;

/** How far it is ahead of ours, milliseconds; null where it does not say, as one with --listen-client-http-urls. Throws only when aborted. */
export async function memberClockOffset(
  endpoint: string,
  connection: ConnectionOptions,
  { signal, runtime }: CallOptions & { readonly runtime: Pick<Runtime, "now" | "monotonicMs"> },
): Promise<number | null> {
  const startedMs = runtime.monotonicMs();
  const date = await dateOf(endpoint, connection, AbortSignal.any([signal, AbortSignal.timeout(LIMIT_MS)])).catch(() => undefined);
  signal.throwIfAborted();
  if (date === undefined || Number.isNaN(Date.parse(date))) return null;
  const { time } = clockReading(date, runtime.monotonicMs() - startedMs);
  return time.getTime() - runtime.now().getTime();
}

function dateOf(text: string, connection: ConnectionOptions, signal: AbortSignal): Promise<string | undefined> {
  const { host, port, secure } = parseEndpoint(text, connection);
  const where = { host, port, path: "/version", agent: false, signal } as const;
  return new Promise((resolve, reject) => {
    const request = secure
      ? requestTls({ ...where, ...(isIP(host) === 0 ? { servername: host } : {}), ...readTlsIdentity(connection, true).options })
      : requestPlain(where);
    request.once("response", (response) => {
      response.destroy();
      resolve(response.headers.date);
    });
    request.once("error", reject);
    request.end();
  });
}
