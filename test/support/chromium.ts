// A headless Chromium without windows, spoken to by its DevTools protocol over a pipe (--remote-debugging-pipe: JSON, each message ended by a NUL).
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Readable, Writable } from "node:stream";
import { setTimeout as sleep } from "node:timers/promises";
import { provisionChromium } from "../../scripts/provision/chromium.ts";

export interface Browser extends AsyncDisposable {
  open(url: string, view?: View): Promise<Page>;
}

export interface View {
  /** CSS pixels. */
  readonly width?: number;
  readonly height?: number;
  readonly isDark?: boolean;
  readonly runsScripts?: boolean;
}

export interface Page {
  /** What the browser complained about: refused by the content security policy, exceptions, what failed to load. */
  readonly complaints: readonly string[];
  evaluate<T>(expression: string): Promise<T>;
  /** Until the expression is true. */
  until(expression: string): Promise<void>;
  /** As PNG: the whole page, or its beginning. */
  screenshot(heightMax?: number): Promise<Buffer>;
  close(): Promise<void>;
}

const ANSWER_LIMIT_MS = 60_000;

type Parameters = Readonly<Record<string, unknown>>;
// biome-ignore lint/suspicious/noExplicitAny: what the protocol answers differs by method.
type Answer = any;

export async function startChromium(): Promise<Browser> {
  const { path, env } = await provisionChromium();
  const profile = await mkdtemp(join(tmpdir(), "etcdsafe-chromium-"));
  const switches = [
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-dev-shm-usage",
    "--ignore-certificate-errors",
    "--hide-scrollbars",
    "--no-first-run",
  ];
  const child = spawn(path, [...switches, "--remote-debugging-pipe", `--user-data-dir=${profile}`, "about:blank"], {
    env: { ...process.env, ...env },
    stdio: ["ignore", "ignore", "ignore", "pipe", "pipe"],
  });
  const kill = () => child.kill("SIGKILL");
  process.on("exit", kill);
  const exited = once(child, "exit");
  const connection = connect(child);
  return {
    open: (url, view = {}) => openPage(connection, url, view),
    async [Symbol.asyncDispose]() {
      await Promise.race([connection.send("Browser.close").catch(() => undefined), sleep(5_000, undefined, { ref: false })]);
      kill();
      await exited;
      process.off("exit", kill);
      await rm(profile, { recursive: true, force: true, maxRetries: 5 });
    },
  };
}

interface Connection {
  send(method: string, parameters?: Parameters, sessionId?: string): Promise<Answer>;
  listen(sessionId: string, listener: (method: string, parameters: Answer) => void): void;
}

function connect(child: ChildProcess): Connection {
  const [toBrowser, fromBrowser] = [child.stdio[3] as Writable, child.stdio[4] as Readable];
  const waiting = new Map<number, (message: Answer) => void>();
  const listeners = new Map<string, (method: string, parameters: Answer) => void>();
  let received = "";
  fromBrowser.setEncoding("utf8").on("data", (chunk: string) => {
    const messages = (received + chunk).split("\0");
    received = messages.pop()!;
    for (const text of messages) {
      const message = JSON.parse(text);
      if (message.id === undefined) listeners.get(message.sessionId)?.(message.method, message.params);
      else waiting.get(message.id)?.(message);
      waiting.delete(message.id);
    }
  });
  toBrowser.on("error", () => undefined); // Whoever waits for an answer gets none, and says so.
  let last = 0;
  return {
    listen: (sessionId, listener) => listeners.set(sessionId, listener),
    send: (method, parameters = {}, sessionId = undefined) => {
      const id = ++last;
      const { promise, resolve, reject } = Promise.withResolvers<Answer>();
      const timer = setTimeout(() => reject(new Error(`Chromium does not answer ${method}`)), ANSWER_LIMIT_MS);
      waiting.set(id, (message) => {
        clearTimeout(timer);
        if (message.error === undefined) resolve(message.result);
        else reject(new Error(`${method}: ${message.error.message}`));
      });
      toBrowser.write(`${JSON.stringify({ id, method, params: parameters, sessionId })}\0`);
      return promise;
    },
  };
}

async function openPage(connection: Connection, url: string, { width = 1100, height = 800, isDark = false, runsScripts = true }: View): Promise<Page> {
  const { targetId } = await connection.send("Target.createTarget", { url: "about:blank" });
  const { sessionId } = await connection.send("Target.attachToTarget", { targetId, flatten: true });
  const send = (method: string, parameters: Parameters = {}) => connection.send(method, parameters, sessionId);
  const complaints: string[] = [];
  const loaded = Promise.withResolvers<void>();
  connection.listen(sessionId, (method, parameters) => {
    if (method === "Log.entryAdded") complaints.push(`${parameters.entry.text} ${parameters.entry.url ?? ""}`.trim());
    if (method === "Runtime.exceptionThrown") complaints.push(parameters.exceptionDetails.exception?.description ?? parameters.exceptionDetails.text);
    if (method === "Page.loadEventFired") loaded.resolve();
  });
  for (const domain of ["Page", "Runtime", "Log", "Network"]) await send(`${domain}.enable`);
  const resize = (toHeight: number) => send("Emulation.setDeviceMetricsOverride", { width, height: toHeight, deviceScaleFactor: 1, mobile: width < 600 });
  await resize(height);
  await send("Emulation.setEmulatedMedia", { features: [{ name: "prefers-color-scheme", value: isDark ? "dark" : "light" }] });
  await send("Emulation.setScriptExecutionDisabled", { value: !runsScripts });
  const { errorText } = await send("Page.navigate", { url });
  if (errorText !== undefined) throw new Error(`${url}: ${errorText}`);
  await Promise.race([loaded.promise, sleep(ANSWER_LIMIT_MS, undefined, { ref: false }).then(() => Promise.reject(new Error(`${url} does not load`)))]);
  const evaluate = async (expression: string) => {
    const { result, exceptionDetails } = await send("Runtime.evaluate", { expression, returnByValue: true, awaitPromise: true });
    if (exceptionDetails !== undefined) throw new Error(`${expression}: ${exceptionDetails.exception?.description ?? exceptionDetails.text}`);
    return result.value;
  };
  return {
    complaints,
    evaluate,
    async until(expression) {
      for (const giveUpAt = performance.now() + ANSWER_LIMIT_MS; !(await evaluate(expression)); await sleep(50))
        if (performance.now() > giveUpAt) throw new Error(`never true: ${expression}`);
    },
    async screenshot(heightMax = Number.POSITIVE_INFINITY) {
      const { cssContentSize } = await send("Page.getLayoutMetrics");
      await resize(Math.min(heightMax, Math.ceil(cssContentSize.height)));
      const { data } = await send("Page.captureScreenshot", { format: "png" });
      await resize(height);
      return Buffer.from(data, "base64");
    },
    close: () => connection.send("Target.closeTarget", { targetId }),
  };
}
