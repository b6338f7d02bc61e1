// A service on loopback that takes reports: it keeps what was sent, and answers each request as the test says.
import { once } from "node:events";
import { readFile } from "node:fs/promises";
import { createServer, type IncomingHttpHeaders, type IncomingMessage, type RequestListener, type ServerResponse } from "node:http";
import { createServer as createTlsServer } from "node:https";
import type { AddressInfo } from "node:net";
import type { CertificateFiles } from "../support/certificates.ts";

export interface Recorded {
  readonly method: string;
  /** Path and query. */
  readonly url: string;
  readonly headers: IncomingHttpHeaders;
  readonly body: string;
}

export interface RecordingServer extends AsyncDisposable {
  /** 127.0.0.1:PORT */
  readonly host: string;
  readonly requests: readonly Recorded[];
}

export type Answer = (answer: ServerResponse, request: IncomingMessage) => void;

/** The answers come one after the other; the last one to all that follow. */
export async function startRecordingServer(answers: readonly Answer[], certificate?: CertificateFiles): Promise<RecordingServer> {
  const requests: Recorded[] = [];
  const listener: RequestListener = async (request, answer) => {
    const body = Buffer.concat(await Array.fromAsync(request)).toString();
    requests.push({ method: request.method!, url: request.url!, headers: request.headers, body });
    answers[Math.min(requests.length, answers.length) - 1]!(answer, request);
  };
  const server = certificate
    ? createTlsServer({ cert: await readFile(certificate.cert), key: await readFile(certificate.key) }, listener)
    : createServer(listener);
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  return {
    host: `127.0.0.1:${(server.address() as AddressInfo).port}`,
    requests,
    [Symbol.asyncDispose]: async () => {
      server.closeAllConnections();
      server.close();
    },
  };
}

export const ok: Answer = (answer) => void answer.end("OK");
export const reset: Answer = (_, request) => void request.socket.resetAndDestroy();
export const silent: Answer = () => undefined;

export function status(code: number, body = "", headers: Record<string, string> = {}): Answer {
  return (answer) => void answer.writeHead(code, headers).end(body);
}
