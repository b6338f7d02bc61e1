// A service that is told of runs: a heartbeat's, a webhook, a Pushgateway.
import { once } from "node:events";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";

export interface Hook extends AsyncDisposable {
  readonly url: string;
  /** Without their queries. */
  readonly asked: readonly { readonly path: string; readonly body: string }[];
  forget(): void;
}

/** Takes everything; or answers with `status`, or never. */
export async function startHook(status: number | "silent" = 200): Promise<Hook> {
  const asked: { path: string; body: string }[] = [];
  const server = createServer(async (incoming, response) => {
    const chunks: Buffer[] = [];
    for await (const chunk of incoming) chunks.push(chunk);
    asked.push({ path: incoming.url!.replace(/\?.*/, ""), body: Buffer.concat(chunks).toString() });
    if (status !== "silent") response.writeHead(status).end("OK");
  }).listen(0, "127.0.0.1");
  await once(server, "listening");
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    asked,
    forget: () => {
      asked.length = 0;
    },
    [Symbol.asyncDispose]: async () => {
      server.closeAllConnections();
      server.close();
    },
  };
}
