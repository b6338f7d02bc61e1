// A TCP proxy on loopback that misbehaves as told: cuts, stalls, ends early, changes a byte, delays, refuses; for each direction and each
// connection, and changeable while it runs.
import { once } from "node:events";
import { type AddressInfo, connect, createServer, type Server, type Socket } from "node:net";
import { setTimeout as sleep } from "node:timers/promises";

/** Bytes are counted from the connection's start; a limit that is passed already when it is set applies at once. */
export interface FlowFaults {
  /** Both sides see the connection reset once this many bytes were passed on. */
  readonly cutAfterBytes?: number;
  /** Nothing more is passed on or taken from the sender, and the connection stays open. */
  readonly stallAfterBytes?: number;
  /** The receiver sees an orderly end of the stream; the rest is swallowed. */
  readonly endAfterBytes?: number;
  /** Offset of a byte whose lowest bit is flipped. */
  readonly corruptByte?: number;
  /** Every piece waits this long before it is passed on, one after the other. */
  readonly delayMs?: number;
}

export interface ProxyFaults {
  readonly toServer?: FlowFaults;
  readonly toClient?: FlowFaults;
  /** The connection is taken and reset at once. */
  readonly refuse?: boolean;
}

/** `connection` counts from 0. */
export type ProxyScript = ProxyFaults | ((connection: number) => ProxyFaults);

export interface TcpProxy extends AsyncDisposable {
  readonly port: number;
  /** Connections taken so far. */
  readonly connections: number;
  /** Bytes passed on in all connections. */
  readonly passedBytes: { readonly toServer: number; readonly toClient: number };
  /** Applies to new connections and, from their present byte on, to those that are open. */
  change(script: ProxyScript): void;
  /** Resets every open connection. */
  cut(): void;
  /** Stops listening, so that connecting is refused by the kernel, and resets what is open. */
  close(): Promise<void>;
  /** Listens again on the same port after `close`. */
  reopen(): Promise<void>;
}

/** Forwards to `target` (a port of 127.0.0.1, or a URL whose host and port are taken). */
export async function startProxy(target: number | string, script: ProxyScript = {}): Promise<TcpProxy> {
  const to = typeof target === "number" ? { host: "127.0.0.1", port: target } : { host: new URL(target).hostname, port: Number(new URL(target).port) };
  const proxy = new ScriptedProxy(to, script);
  await proxy.reopen();
  return proxy;
}

type Direction = "toServer" | "toClient";

class ScriptedProxy implements TcpProxy {
  port = 0;
  connections = 0;
  readonly passedBytes = { toServer: 0, toClient: 0 };
  readonly #target: { readonly host: string; readonly port: number };
  readonly #open = new Set<Socket>();
  #script: ProxyScript;
  #changed = Promise.withResolvers<void>();
  #server: Server | undefined;

  constructor(target: { readonly host: string; readonly port: number }, script: ProxyScript) {
    this.#target = target;
    this.#script = script;
  }

  async reopen(): Promise<void> {
    this.#server = createServer({ allowHalfOpen: true }, (client) => this.#accept(client));
    this.#server.listen(this.port, "127.0.0.1");
    await once(this.#server, "listening");
    this.port = (this.#server.address() as AddressInfo).port;
  }

  change(script: ProxyScript): void {
    this.#script = script;
    this.#wake();
  }

  cut(): void {
    for (const socket of this.#open) socket.resetAndDestroy();
    this.#wake();
  }

  async close(): Promise<void> {
    const server = this.#server;
    if (server === undefined) return;
    this.#server = undefined;
    const closed = once(server, "close");
    server.close();
    this.cut();
    await closed;
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  #accept(client: Socket): void {
    const connection = this.connections++;
    const faults = (): ProxyFaults => (typeof this.#script === "function" ? this.#script(connection) : this.#script);
    this.#track(client);
    if (faults().refuse) {
      client.resetAndDestroy();
      return;
    }
    const server = connect({ ...this.#target, allowHalfOpen: true });
    this.#track(server);
    for (const [from, other] of [
      [client, server],
      [server, client],
    ] as const) {
      from.on("error", () => other.resetAndDestroy()); // One side lost is what the other sees.
    }
    void this.#pass("toServer", client, server, faults);
    void this.#pass("toClient", server, client, faults);
  }

  async #pass(direction: Direction, from: Socket, to: Socket, faults: () => ProxyFaults): Promise<void> {
    let passed = 0;
    const flow = (): FlowFaults => faults()[direction] ?? {};
    /** Resolves to how many bytes may pass now; 0 when the flow is over. */
    const room = async (): Promise<number> => {
      for (;;) {
        const { cutAfterBytes: cut = Infinity, endAfterBytes: end = Infinity, stallAfterBytes: stall = Infinity } = flow();
        if (to.destroyed) return 0;
        if (passed >= cut) {
          await sleep(20); // A reset overtakes bytes that the receiver has not read yet.
          from.resetAndDestroy();
          to.resetAndDestroy();
          return 0;
        }
        if (passed >= end) {
          to.end();
          from.resume();
          return 0;
        }
        if (passed < stall) return Math.min(cut, end, stall) - passed;
        await this.#changed.promise;
      }
    };
    try {
      if ((await room()) === 0) return;
      for await (const chunk of from.iterator({ destroyOnReturn: false }) as AsyncIterable<Buffer>) {
        for (let rest = chunk; rest.length > 0; ) {
          const { delayMs } = flow();
          if (delayMs !== undefined) await sleep(delayMs);
          const piece = rest.subarray(0, await room());
          if (piece.length === 0) return;
          rest = rest.subarray(piece.length);
          if (!to.write(damaged(piece, (flow().corruptByte ?? -1) - passed))) await Promise.race([once(to, "drain"), once(to, "close")]);
          passed += piece.length;
          this.passedBytes[direction] += piece.length;
        }
        if ((await room()) === 0) return;
      }
      to.end();
    } catch {
      to.destroy(); // The sender is gone; its error event has told the receiver.
    }
  }

  #track(socket: Socket): void {
    this.#open.add(socket);
    socket.on("error", () => undefined);
    socket.on("close", () => {
      this.#open.delete(socket);
      this.#wake();
    });
  }

  #wake(): void {
    this.#changed.resolve();
    this.#changed = Promise.withResolvers();
  }
}

function damaged(piece: Buffer, at: number): Buffer {
  if (at < 0 || at >= piece.length) return piece;
  const copy = Buffer.from(piece);
  copy[at] = (copy[at] ?? 0) ^ 1;
  return copy;
}
