// versitygw with users of its own, each of whom may do what a policy says as Amazon's IAM takes it: the gateway, and beside it its IAM service.
import { type ChildProcess, spawn } from "node:child_process";
import { createHash, createHmac } from "node:crypto";
import { closeSync, openSync } from "node:fs";
import { mkdir, readFile } from "node:fs/promises";
import { connect, type NetConnectOpts } from "node:net";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { S3Client } from "@aws-sdk/client-s3";
import { provisionVersitygw } from "../../scripts/provision/versitygw.ts";
import { claimPorts, releasePorts } from "./ports.ts";
import { temporaryDirectory } from "./temporary-directory.ts";

export interface S3User {
  /** In the environment the SDK's own chain finds the keys. */
  readonly env: Readonly<Record<string, string>>;
  /** With this user's rights. */
  readonly client: S3Client;
}

export interface S3Users extends AsyncDisposable {
  readonly url: string;
  /** May do everything. */
  readonly root: S3User;
  /** A new user who may do what this policy, JSON, says, and nothing else. */
  newUser(name: string, policy: string): Promise<S3User>;
  /** Where the objects of a bucket are files, whose times are those that the server tells. */
  directoryOf(bucket: string): string;
}

const LIMIT_MS = 30_000;
const ROOT = { accessKeyId: "etcdsafe-test", secretAccessKey: "etcdsafe-test-secret" };
const running = new Set<ChildProcess>();
process.on("exit", () => {
  for (const child of running) child.kill("SIGKILL");
});

export async function startS3Users(): Promise<S3Users> {
  const binary = await provisionVersitygw();
  const directory = await temporaryDirectory("s3-users");
  const ports = await claimPorts(2);
  const [port, iamPort] = ports as [number, number];
  const path = (name: string) => join(directory.path, name);
  await Promise.all(["users", "objects", "versions"].map((name) => mkdir(path(name))));
  const url = `http://127.0.0.1:${port}`;
  const clients: S3Client[] = [];
  const user = (keys: typeof ROOT): S3User => {
    const client = new S3Client({ endpoint: url, region: "us-east-1", forcePathStyle: true, credentials: keys });
    clients.push(client);
    return { client, env: { AWS_ACCESS_KEY_ID: keys.accessKeyId, AWS_SECRET_ACCESS_KEY: keys.secretAccessKey, AWS_REGION: "us-east-1" } };
  };
  const started: ChildProcess[] = [];
  const stop = async () => {
    for (const client of clients) client.destroy();
    for (const child of started) await killed(child);
    await releasePorts(ports);
    await directory.remove();
  };
  const start = async (log: string, at: NetConnectOpts, args: readonly string[]) => {
    const child = startServer(binary, args, path(log));
    started.push(child);
    await answering(at, child).catch(async (error: Error) => {
      throw new Error(`versitygw did not start: ${error.message}:\n${await readFile(path(log), "utf8")}`);
    });
  };
  try {
    await start("iam.log", { path: path("socket") }, [
      "--port",
      `127.0.0.1:${iamPort}`,
      "--quiet",
      "iam",
      "--dir",
      path("users"),
      "--private-ports",
      path("socket"),
    ]);
    const gateway = ["--port", `127.0.0.1:${port}`, "--keep-alive", "--quiet", "--iam-cache-disable", "--iam-standalone-endpoint", path("socket")];
    await start("s3.log", { port, host: "127.0.0.1" }, [...gateway, "posix", "--versioning-dir", path("versions"), path("objects")]);
  } catch (error) {
    await stop();
    throw error;
  }
  return {
    url,
    root: user(ROOT),
    newUser: async (name, policy) => {
      await askIam(iamPort, { Action: "CreateUser", UserName: name });
      await askIam(iamPort, { Action: "PutUserPolicy", UserName: name, PolicyName: "policy", PolicyDocument: policy });
      const answer = await askIam(iamPort, { Action: "CreateAccessKey", UserName: name });
      const field = (element: string) => new RegExp(`<${element}>([^<]+)</${element}>`).exec(answer)![1]!;
      return user({ accessKeyId: field("AccessKeyId"), secretAccessKey: field("SecretAccessKey") });
    },
    directoryOf: (bucket) => join(path("objects"), bucket),
    [Symbol.asyncDispose]: stop,
  };
}

function startServer(binary: string, args: readonly string[], logPath: string): ChildProcess {
  const log = openSync(logPath, "a");
  const env = { ...process.env, ROOT_ACCESS_KEY: ROOT.accessKeyId, ROOT_SECRET_KEY: ROOT.secretAccessKey };
  const child = spawn(binary, args, { env, stdio: ["ignore", log, log] });
  closeSync(log);
  child.on("error", () => undefined); // Seen by whoever waits for it to answer.
  running.add(child);
  return child;
}

async function killed(child: ChildProcess): Promise<void> {
  const isOver = child.pid === undefined || child.exitCode !== null || child.signalCode !== null;
  const ended = isOver ? undefined : new Promise<void>((resolve) => child.once("exit", () => resolve()));
  child.kill("SIGKILL");
  await ended;
  running.delete(child);
}

/** One request to the IAM API, signed by AWS's Signature Version 4; gives the answer's XML. */
async function askIam(port: number, parameters: Readonly<Record<string, string>>): Promise<string> {
  const host = `127.0.0.1:${port}`;
  const body = new URLSearchParams({ Version: "2010-05-08", ...parameters }).toString();
  const time = new Date().toISOString().replace(/[-:]|\.\d+/g, "");
  const scope = `${time.slice(0, 8)}/us-east-1/iam/aws4_request`;
  const signed = { "content-type": "application/x-www-form-urlencoded", host, "x-amz-date": time };
  const names = Object.keys(signed).join(";");
  const request = ["POST", "/", "", ...Object.entries(signed).map(([name, value]) => `${name}:${value}`), "", names, sha256(body)].join("\n");
  const key = scope.split("/").reduce<string | Buffer>(hmac, `AWS4${ROOT.secretAccessKey}`);
  const signature = hmac(key, ["AWS4-HMAC-SHA256", time, scope, sha256(request)].join("\n")).toString("hex");
  const authorization = `AWS4-HMAC-SHA256 Credential=${ROOT.accessKeyId}/${scope}, SignedHeaders=${names}, Signature=${signature}`;
  const response = await fetch(`http://${host}/`, { method: "POST", headers: { ...signed, authorization }, body, signal: AbortSignal.timeout(LIMIT_MS) });
  const answer = await response.text();
  if (!response.ok) throw new Error(`versitygw refused ${parameters["Action"]}: ${answer}`);
  return answer;
}

function sha256(text: string): string {
  return createHash("sha256").update(text).digest("hex");
}

function hmac(key: string | Buffer, text: string): Buffer {
  return createHmac("sha256", key).update(text).digest();
}

async function answering(at: NetConnectOpts, child: ChildProcess): Promise<void> {
  for (const startedMs = performance.now(); performance.now() - startedMs < LIMIT_MS; await sleep(20)) {
    if (child.pid === undefined || child.exitCode !== null || child.signalCode !== null) throw new Error("it ended");
    if (await canConnect(at)) return;
  }
  throw new Error(`nothing answered within ${LIMIT_MS} ms`);
}

function canConnect(at: NetConnectOpts): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(at, () => {
      socket.destroy();
      resolve(true);
    });
    socket.once("error", () => resolve(false));
  });
}
