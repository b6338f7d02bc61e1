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
        }
      });
    }

    test("a copied database passes with a warning at its end, and a HashKV", async () => {
      await using directory = await temporaryDirectory("verify");
      const result = await verify(image, "structure", directory.path);
      expect(result.findings).toEqual([expect.objectContaining({ severity: "warning", offset: image.length })]);
      expect(result.hashKv?.hash).toBe((factsOf(raw).hashes[0] as { readonly hash: number }).hash);
    });

    test("stored-bytes is a usage error: there is no manifest", async () => {
      await using directory = await temporaryDirectory("verify");
      await expect(verify(raw, "stored-bytes", directory.path)).rejects.toMatchObject({ code: "USAGE" });
    });
  });
}

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
