import { execFileSync } from "node:child_process";
import { readdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { gzipSync } from "node:zlib";
import { describe, expect, test } from "vitest";
import { streamOf } from "../../src/bytes/stream.ts";
import { type FileVerification, verifyFile, verifyStream } from "../../src/verify/file.ts";
import type { VerifyLevel } from "../../src/verify/options.ts";
import { temporaryDirectory } from "../support/temporary-directory.ts";
import { alteredSnapshot, factsOf, recordingRuntime, signal, someSnapshot } from "./stored-backup.ts";

const raw = someSnapshot();
const image = raw.subarray(0, -32);

interface Way {
  readonly way: string;
  verify(bytes: Uint8Array, level: VerifyLevel, directory: string): Promise<FileVerification>;
}

const WAYS: readonly Way[] = [
  {
    way: "a file",
    verify: async (bytes, level, directory) => {
      const path = join(directory, "snapshot.db");
      await writeFile(path, bytes);
      return verifyFile(path, optionsFor(level, directory));
    },
  },
  { way: "a stream", verify: async (bytes, level, directory) => verifyStream("snapshot.db", streamOf(bytes), optionsFor(level, directory)) },
];

function optionsFor(level: VerifyLevel, spoolDirectory: string) {
  return { level, spoolDirectory, runtime: recordingRuntime(), signal, stepPrefix: "" };
}

const CASES: readonly { what: string; bytes: Uint8Array; hash: string | null; structure: string | null }[] = [
  { what: "a snapshot", bytes: raw, hash: null, structure: null },
  { what: "a copied database", bytes: image, hash: "SNAPSHOT_HASH_MISSING", structure: null },
  { what: "a changed hash", bytes: raw.with(-1, raw.at(-1)! ^ 1), hash: "SNAPSHOT_HASH_MISMATCH", structure: "SNAPSHOT_HASH_MISMATCH" },
  { what: "a changed byte", bytes: raw.with(9000, raw[9000]! ^ 1), hash: "SNAPSHOT_HASH_MISMATCH", structure: "SNAPSHOT_HASH_MISMATCH" },
  { what: "a page of zeros under a good hash", bytes: alteredSnapshot(raw, (pages) => pages.fill(0, 12288, 16384)), hash: null, structure: "SNAPSHOT_DAMAGED" },
  { what: "half a snapshot", bytes: raw.subarray(0, raw.length / 2), hash: "SNAPSHOT_HASH_MISSING", structure: "SNAPSHOT_TRUNCATED" },
  { what: "nothing", bytes: new Uint8Array(0), hash: "SNAPSHOT_EMPTY", structure: "SNAPSHOT_EMPTY" },
  { what: "a gzip file", bytes: gzipSync(raw), hash: "SNAPSHOT_PACKED", structure: "SNAPSHOT_PACKED" },
];

for (const { way, verify } of WAYS) {
  describe(way, () => {
    for (const { what, bytes, hash, structure } of CASES) {
      test(`${what}: ${structure ?? "passes"} at level structure, ${hash ?? "passes"} at level hash`, async () => {
        await using directory = await temporaryDirectory("verify");
        for (const [level, code] of [
          ["hash", hash],
          ["structure", structure],
        ] as const) {
          const result = await verify(bytes, level, directory.path);
          expect(result.failure?.code ?? null, level).toBe(code);
          expect(result).toMatchObject({ level, outcome: code === null ? "passed" : "failed", findingsTotal: result.findings.length });
          if (code !== null) expect(result.findings.some(({ severity, text }) => severity === "error" && !text.includes("/dev/fd"))).toBe(true);
          expect(result.failure?.message ?? "").not.toContain("/dev/fd");
          for (const { object, text } of result.findings) expect(text).not.toContain(object);
        }
      });
    }

    test("a copied database passes with a warning, and a HashKV", async () => {
      await using directory = await temporaryDirectory("verify");
      const result = await verify(image, "structure", directory.path);
      expect(result.findings).toEqual([expect.objectContaining({ severity: "warning", offset: null, text: expect.stringMatching(/^no SHA-256 at the end/) })]);
      expect(result.hashKv?.hash).toBe((factsOf(raw).hashes[0] as { readonly hash: number }).hash);
    });

    test("stored-bytes is a usage error: there is no manifest", async () => {
      await using directory = await temporaryDirectory("verify");
      await expect(verify(raw, "stored-bytes", directory.path)).rejects.toMatchObject({ code: "USAGE" });
    });
  });
}

test("a finding has a place where there is one, and never the file's name; the failure stands by itself", async () => {
  await using directory = await temporaryDirectory("verify");
  const path = join(directory.path, "snapshot.db");
  const told = async (bytes: Uint8Array, level: VerifyLevel = "structure") => {
    await writeFile(path, bytes);
    const { findings, failure } = await verifyFile(path, optionsFor(level, directory.path));
    return { findings: findings.map(({ offset, text }) => [offset, text]), message: failure?.message };
  };
  const cut = `cut short: it ends after 5000 of ${image.length} bytes`;
  expect(await told(raw.subarray(0, 5000))).toEqual({ findings: [[null, `it is ${cut}`]], message: `${path} is ${cut}` });
  expect(await told(gzipSync(raw), "hash")).toEqual({ findings: [[null, "it is a gzip file"]], message: `${path} is a gzip file` });
  expect((await told(raw.with(-1, raw.at(-1)! ^ 1))).findings).toEqual([[null, expect.stringMatching(/^the SHA-256 at its end is not that/)]]);
  expect((await told(raw.with(-1, raw.at(-1)! ^ 1), "hash")).findings).toEqual([[null, expect.stringMatching(/^the SHA-256 at its end is [0-9a-f]{64}, but/)]]);
  expect(await told(alteredSnapshot(raw, (pages) => pages.fill(0, 12288, 16384)))).toEqual({
    findings: [[12288, expect.stringMatching(/^page 3 was never written/)]],
    message: expect.stringMatching(`^${path} is damaged: page 3 was never written.*, at byte 12288$`),
  });
});

test("what is no file is refused at once, at either level", async () => {
  await using directory = await temporaryDirectory("verify");
  const pipe = join(directory.path, "pipe");
  execFileSync("mkfifo", [pipe]);
  for (const level of ["hash", "structure"] as const) {
    await expect(verifyFile(pipe, optionsFor(level, directory.path))).rejects.toMatchObject({ code: "FILE_FAILED", hint: expect.stringContaining("verify -") });
    const refused = { code: "FILE_FAILED", message: expect.stringMatching(/ is a directory$/), hint: expect.stringContaining("member/snap/db") };
    await expect(verifyFile(directory.path, optionsFor(level, directory.path))).rejects.toMatchObject(refused);
  }
});

test("a first page of zeros under a good hash is what etcd sent, at level hash", async () => {
  await using directory = await temporaryDirectory("verify");
  const path = join(directory.path, "snapshot.db");
  const zeroed = alteredSnapshot(raw, (pages) => pages.fill(0, 0, 4096));
  await writeFile(path, zeroed);
  expect(await verifyFile(path, optionsFor("hash", directory.path))).toMatchObject({ outcome: "passed" });
  await writeFile(path, zeroed.with(-1, zeroed.at(-1)! ^ 1));
  expect((await verifyFile(path, optionsFor("hash", directory.path))).findings).toMatchObject([{ text: "it is a file that begins with zeros only" }]);
});

test("a file that does not exist cannot be read, at either level", async () => {
  await using directory = await temporaryDirectory("verify");
  for (const level of ["hash", "structure"] as const) {
    await expect(verifyFile(join(directory.path, "absent.db"), optionsFor(level, directory.path))).rejects.toMatchObject({ code: "FILE_FAILED" });
  }
});

test("a stream that fails rejects with its error, and leaves nothing in the spool's directory", async () => {
  await using directory = await temporaryDirectory("verify");
  const failing = async function* () {
    yield raw;
    throw new Error("the pipe broke");
  };
  await expect(verifyStream("-", failing(), optionsFor("structure", directory.path))).rejects.toThrow("the pipe broke");
  expect(await readdir(directory.path)).toEqual([]);
});

test("a file passes with a warning where somebody's signature is wanted: it has none", async () => {
  await using directory = await temporaryDirectory("verify");
  const result = await verifyStream("snapshot.db", streamOf(raw), { ...optionsFor("hash", directory.path), provesOrigin: true });
  expect(result).toMatchObject({ outcome: "passed", findingsTotal: 1 });
  expect(result.findings).toEqual([{ severity: "warning", object: "snapshot.db", offset: null, text: expect.stringMatching(/origin not proven$/) }]);
});
