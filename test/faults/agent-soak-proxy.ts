// An HTTP proxy between one agent and its store: random trouble while it is told to make some, and a record of all that took effect in the store.
import { once } from "node:events";
import { type ClientRequest, createServer, type IncomingMessage, type ServerResponse, request as sendRequest } from "node:http";
import type { AddressInfo } from "node:net";
import { setTimeout as sleep } from "node:timers/promises";
import type { RandomNumbers } from "../support/random-history.ts";

/** What becomes of requests meanwhile: 500 and 503, before or after they took effect; connections that break; answers that come late; nobody there. */
export const TROUBLES = ["bursts", "cuts", "slow", "dead"] as const;
export type Trouble = (typeof TROUBLES)[number];

/** A request that the store itself answered with success, whatever the agent got to hear. Times by performance.now(). */
export interface StoredPut {
  readonly pid: number;
  readonly key: string;
  readonly beganMs: number;
  readonly endedMs: number;
  /** Of small documents. */
  readonly body: string;
}

export interface SoakProxy extends AsyncDisposable {
  readonly url: string;
  readonly puts: readonly StoredPut[];
  readonly requests: number;
  trouble: Trouble | undefined;
}

const BODY_BYTES_KEPT = 64 * 1024;

/** `pid`: of the process that speaks through it now. */
export async function startSoakProxy(target: string, random: RandomNumbers, pid: () => number): Promise<SoakProxy> {
  const { hostname: host, port } = new URL(target);
  const puts: StoredPut[] = [];
  const open = new Set<ClientRequest>();
  const state = { trouble: undefined as Trouble | undefined, requests: 0 };

  const serve = async (incoming: IncomingMessage, answer: ServerResponse): Promise<void> => {
    state.requests++;
    const { trouble } = state;
    const isHit = trouble === "dead" || (trouble === "slow" ? random.chance(0.5) : trouble !== undefined && random.chance(0.25));
    const takesEffect = !isHit || trouble === "slow" || (trouble !== "dead" && random.chance(0.5));
    if (!takesEffect) {
      if (trouble === "bursts") incoming.resume().once("end", () => refuse(answer, random));
      else incoming.socket.resetAndDestroy();
      return;
    }
    const [beganMs, asker] = [performance.now(), pid()];
    const outgoing = sendRequest({ host, port, method: incoming.method, path: incoming.url, headers: incoming.headers });
    open.add(outgoing);
    outgoing.on("error", () => answer.destroy()).on("close", () => open.delete(outgoing));
    const kept: Buffer[] = [];
    let sizeBytes = 0;
    incoming.on("data", (chunk: Buffer) => {
      sizeBytes += chunk.length;
      if (sizeBytes <= BODY_BYTES_KEPT) kept.push(chunk);
    });
    incoming.pipe(outgoing);
    incoming.once("close", () => incoming.complete || outgoing.destroy());
    const [reply] = (await once(outgoing, "response")) as [IncomingMessage];
    const url = new URL(incoming.url ?? "/", target);
    if (incoming.method === "PUT" && reply.statusCode === 200 && url.searchParams.get("partNumber") === null)
      puts.push({ pid: asker, key: decodeURIComponent(url.pathname), beganMs, endedMs: performance.now(), body: Buffer.concat(kept).toString("latin1") });
    if (isHit && trouble === "slow") await sleep(random.integer(50, 1500));
    if (isHit && trouble === "bursts") {
      reply.resume();
      return refuse(answer, random);
    }
    answer.writeHead(reply.statusCode ?? 502, reply.headers);
    if (!isHit || trouble === "slow") {
      reply.on("error", () => answer.destroy()).pipe(answer);
      return;
    }
    reply.once("data", (chunk: Buffer) => answer.write(chunk.subarray(0, chunk.length >> 1)));
    await sleep(20);
    answer.destroy();
    outgoing.destroy();
  };

  const server = createServer((incoming, answer) => {
    answer.on("error", () => undefined);
    incoming.on("error", () => undefined);
    serve(incoming, answer).catch(() => answer.destroy());
  });
  server.keepAliveTimeout = 60_000;
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    puts,
    get requests() {
      return state.requests;
    },
    get trouble() {
      return state.trouble;
    },
    set trouble(trouble) {
      state.trouble = trouble;
    },
    [Symbol.asyncDispose]: async () => {
      const over = once(server, "close");
      server.close();
      for (const request of open) request.destroy();
      server.closeAllConnections();
      await over;
    },
  };
}

function refuse(answer: ServerResponse, random: RandomNumbers): void {
  if (answer.destroyed) return;
  const [status, code] = random.pick([[500, "InternalError"] as const, [503, "SlowDown"] as const]);
  answer.writeHead(status, { "content-type": "application/xml" }).end(`<Error><Code>${code}</Code><Message>try again</Message></Error>`);
}
