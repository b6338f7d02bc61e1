// A repository in a store that is reached through proxies which do harm, and what must hold of it whatever they did.
import { expect } from "vitest";
import { verifyBackups } from "../../src/verify/verify.ts";
import { type HttpRequest, type HttpScript, startHttpProxy } from "../faults/kit/http-proxy.ts";
import { type ProxyFaults, startProxy, type TcpProxy } from "../faults/kit/proxy.ts";
import { type CliOptions, startCli } from "./cli.ts";
import type { CommandResult, RunningCommand } from "./command.ts";
import { listedBackups, openedRepository, quietRuntime, saveArguments } from "./saving.ts";
import type { StoreKind, TestStore } from "./stores.ts";
import { temporaryDirectory } from "./temporary-directory.ts";

export interface Harm {
  /** Below HTTP: cuts, stalls, changed bytes; connections count from 0 each time. */
  readonly tcp?: (connection: number) => ProxyFaults;
  readonly http?: HttpScript;
}

export class FaultyStore implements AsyncDisposable {
  readonly store: TestStore;
  readonly repository: string;
  readonly tcp: TcpProxy;
  /** Backups that were seen whole: these must stay. */
  readonly good = new Set<string>();
  readonly #http: Awaited<ReturnType<typeof startHttpProxy>>;
  readonly #endpoint: string;

  static async start(store: TestStore, endpoint: string): Promise<FaultyStore> {
    const http = await startHttpProxy(store.url);
    return new FaultyStore(store, endpoint, await store.newRepository(), http, await startProxy(http.url));
  }

  private constructor(store: TestStore, endpoint: string, repository: string, http: Awaited<ReturnType<typeof startHttpProxy>>, tcp: TcpProxy) {
    this.store = store;
    this.repository = repository;
    this.tcp = tcp;
    this.#endpoint = endpoint;
    this.#http = http;
  }

  /** From here on, for requests and connections to come; without anything in the way where left out. */
  harm({ tcp = () => ({}), http = () => undefined }: Harm = {}): void {
    this.tcp.cut();
    const first = this.tcp.connections;
    this.tcp.change((connection) => tcp(connection - first));
    this.#http.change(http);
  }

  /** Arguments that reach the repository through the proxies. */
  at(): string[] {
    return ["--repository", this.repository, ...this.store.options(`http://127.0.0.1:${this.tcp.port}`)];
  }

  startSave(more: readonly string[] = [], options: CliOptions = {}): RunningCommand {
    const reached = this.at().slice(2);
    return this.start(saveArguments(this.#endpoint, this.repository, "--unencrypted", ...reached, ...more), options);
  }

  /** A save, which is over when this resolves; what must hold is asked afterwards. Gives whether there is one more backup, and how the save ended. */
  async save(harm: Harm = {}, more: readonly string[] = [], options: CliOptions = {}): Promise<CommandResult & { readonly isStored: boolean }> {
    this.harm(harm);
    const result = await this.startSave(more, options).finished;
    this.harm();
    const before = this.good.size;
    await this.nothingIsHalf();
    const isStored = this.good.size > before;
    expect(isStored, `${result.exitCode}: ${result.stderr}`).toBe(result.exitCode === 0);
    expect(result.stderr).not.toMatch(STACK);
    return { ...result, isStored };
  }

  /** Any other command, to its end. */
  async run(harm: Harm, args: readonly string[], options: CliOptions = {}): Promise<CommandResult> {
    this.harm(harm);
    const result = await this.start([...args, ...this.at()], options).finished;
    this.harm();
    expect(result.stderr).not.toMatch(STACK);
    return result;
  }

  start(args: readonly string[], options: CliOptions = {}): RunningCommand {
    return startCli(args, { limitMs: LIMIT_MS, ...options, env: { ...this.store.env, ...options.env } });
  }

  /** All that is listed passes verification, and what was good is still there. Nothing is in the way then. */
  async nothingIsHalf(): Promise<void> {
    const { signal } = new AbortController();
    const settings = this.store.settings();
    const listed = (await listedBackups(this.repository, settings)).map(({ cluster, entry }) => ({ cluster, id: entry.id }));
    const unknown = listed.filter(({ id }) => !this.good.has(id));
    await using directory = await temporaryDirectory("verify");
    const author = { tool: { name: "test", version: "0" }, writer: { host: "test", pid: 1 } };
    const options = { runtime: quietRuntime, signal, level: "structure", spoolDirectory: directory.path, stepPrefix: "" } as const;
    const results = await verifyBackups(await openedRepository(this.repository, settings), unknown, author, options);
    expect(results.filter(({ outcome }) => outcome !== "passed")).toEqual([]);
    const ids = listed.map(({ id }) => id);
    expect([...this.good].filter((id) => !ids.includes(id))).toEqual([]);
    for (const id of ids) this.good.add(id);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.tcp.close();
    await this.#http.close();
    await this.store[Symbol.asyncDispose]();
  }
}

const STACK = /\n\s+at /;
const LIMIT_MS = 200_000;

/** Requests that carry a piece of a large object to the store. */
export function isPiece({ method, path }: HttpRequest): boolean {
  return method === "PUT" && /[?&](partNumber=|upload_id=|comp=block(&|$))/.test(path);
}

/** Requests for content of a snapshot, not only for what the store tells of it. */
export function isRead({ method, path }: HttpRequest): boolean {
  return method === "GET" && /snapshot\.db/.test(path) && (!path.startsWith("/storage/v1/") || path.includes("alt=media"));
}

/** What the store says to credentials that have run out. */
export const EXPIRED: Readonly<Record<Exclude<StoreKind, "file">, ReturnType<HttpScript>>> = {
  s3: { status: 403, body: "<Error><Code>ExpiredToken</Code><Message>The provided token has expired.</Message></Error>" },
  gs: { status: 401, body: JSON.stringify({ error: { code: 401, message: "Invalid Credentials" } }) },
  azblob: { status: 403, headers: { "x-ms-error-code": "AuthenticationFailed" } },
};

/** Upload markers, as the store tells of them, are older than they are: so much time has passed. */
export function agedMarkers(ageMs: number): HttpScript {
  const aged = (time: string) => new Date(Date.parse(time) - ageMs);
  return ({ path }) => {
    if (!/\/uploads\//.test(decodeURIComponent(path))) return undefined;
    return {
      changed: ({ headers, body }) => {
        const modified = headers["last-modified"];
        return {
          headers: modified === undefined ? headers : { ...headers, "last-modified": aged(modified).toUTCString() },
          body: body.replace(/("timeCreated":\s*")([^"]+)/, (_, name: string, time: string) => name + aged(time).toISOString()),
        };
      },
    };
  };
}

/** Node's arguments for a process on a host whose clock is so far off. */
export function clockOff(byMs: number): string[] {
  const code = `const Host = Date;
    globalThis.Date = class Date extends Host {
      constructor(...given) { given.length === 0 ? super(Host.now() + ${byMs}) : super(...given); }
      static now() { return Host.now() + ${byMs}; }
    };`;
  return ["--import", `data:text/javascript,${encodeURIComponent(code)}`];
}
