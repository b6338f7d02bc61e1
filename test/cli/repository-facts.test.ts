import { once } from "node:events";
import { mkdir, writeFile } from "node:fs/promises";
import { type AddressInfo, createServer } from "node:net";
import { join } from "node:path";
import { expect, test, vi } from "vitest";
import type { Invocation } from "../../src/cli/command.ts";
import type { Reporter } from "../../src/cli/log.ts";
import { repositoryFacts } from "../../src/cli/repository-facts.ts";
import { makeRuntime } from "../../src/cli/runtime.ts";
import { readConfig } from "../../src/config/config.ts";
import { temporaryDirectory } from "../support/temporary-directory.ts";

test("repository facts: those of one are told though another cannot be listed, or not in time", async () => {
  await using directory = await temporaryDirectory("repository-facts");
  const backup = join(directory.path, "good/prod/backups/20261121T093000Z-000000000001");
  await mkdir(backup, { recursive: true });
  await writeFile(join(backup, "manifest.json"), "{}");
  const silent = createServer().listen(0, "127.0.0.1");
  await once(silent, "listening");
  try {
    const locations = [join(backup, "manifest.json"), "s3://bucket/etcd", join(directory.path, "good")];
    const endpoint = `http://127.0.0.1:${(silent.address() as AddressInfo).port}`;
    const flags = new Map([
      ["repository", locations],
      ["cluster", ["prod"]],
      ["s3-endpoint", [endpoint]],
    ] as const);
    vi.stubEnv("AWS_ACCESS_KEY_ID", "a");
    vi.stubEnv("AWS_SECRET_ACCESS_KEY", "b");
    const { config, faults } = await readConfig({ command: "save", flags, environment: {} });
    expect(faults).toEqual([]);
    const warnings: string[] = [];
    const runtime = makeRuntime({ log: ({ message }) => void warnings.push(message), progress: () => undefined } as Partial<Reporter> as Reporter);
    const invocation = { config, environment: {}, runtime, signal: new AbortController().signal } as unknown as Invocation;
    expect(await repositoryFacts(invocation, 4_000)).toEqual([{ store: "file", cluster: "prod", backups: 1, sizeBytes: 2 }]);
    expect(warnings).toEqual([expect.stringMatching(/^what is in .*manifest\.json: /), "what is in s3://bucket/etcd: no answer within 4 s"]);
  } finally {
    silent.close();
    vi.unstubAllEnvs();
  }
});
