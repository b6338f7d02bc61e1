// How much memory a gigabyte takes on its way to S3 and back, the SDK included: each process is killed as soon as 200 MB of it are resident.
import { mkdir } from "node:fs/promises";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { expect, test } from "vitest";
import { createAuthority } from "../support/certificates.ts";
import { NODE } from "../support/cli.ts";
import { buildCli } from "../support/measured-cli.ts";
import { measureProcess } from "../support/process-usage.ts";
import { temporaryDirectory } from "../support/temporary-directory.ts";
import { s3Settings, startVersitygw } from "../support/versitygw.ts";

const RSS_LIMIT_BYTES = 200 * 1000 ** 2;
const MEGABYTES = 1_000;
const CHILD = fileURLToPath(new URL("s3-child.js", import.meta.url));

test.each(["http", "https"])("s3 storage: takes a gigabyte over %s and gives it back in less than 200 MB of memory", async (scheme) => {
  await using directory = await temporaryDirectory("s3-memory");
  const build = join(directory.path, "package");
  await mkdir(build);
  await buildCli(build);
  const authority = await createAuthority(directory.path);
  const tls = scheme === "https" ? { ...(await authority.issue({ name: "server" })), caFile: authority.path } : undefined;
  const server = await startVersitygw(tls === undefined ? {} : { tls });
  try {
    const settings = s3Settings(server.url, {}, tls === undefined ? {} : { caFile: tls.caFile });
    const args = [CHILD, join(build, "dist/storage/s3.js"), JSON.stringify(settings), await server.createBucket()];
    const options = { env: { ...process.env, ...server.env }, rssLimitBytes: RSS_LIMIT_BYTES };
    const put = await measureProcess(NODE, [...args, String(MEGABYTES)], options);
    const read = await measureProcess(NODE, args, options);
    expect([put.stderr, read.stderr]).toEqual(["", ""]);
    expect(put.stdout).toMatch(/^[0-9a-f]{64}$/);
    expect(read.stdout).toBe(put.stdout);
  } finally {
    await server.stop();
  }
});
