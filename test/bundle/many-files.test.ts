// A directory of very many files: apart, because making them takes longer than listing them.
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { test, vi } from "vitest";
import { gatherBundle } from "../../src/bundle/gather.ts";
import { expectThrown } from "../support/failures.ts";
import { temporaryDirectory } from "../support/temporary-directory.ts";

/** Those that are there: one more than fit. */
const THERE = Array.from({ length: 4001 }, (_, index) => Buffer.from(`file-${index}`));
/** More than a call takes arguments. */
const NAMES = [...THERE, ...Array.from({ length: 200_000 }, (_, index) => Buffer.from(`gone-${index}`)), ...THERE];

vi.mock("node:fs/promises", async (original) => ({ ...(await original<typeof import("node:fs/promises")>()), readdir: async () => NAMES }));

test("bundle: of a directory with very many files, it is said that they are too many", async () => {
  await using directory = await temporaryDirectory("many-files");
  for (const name of THERE) await writeFile(join(directory.path, String(name)), "");
  const request = { includes: [directory.path], presets: [], hostRoot: "/", allowPlaintextSecrets: true };
  const gathering = gatherBundle(request, { signal: AbortSignal.timeout(30_000), encrypted: false });
  await expectThrown("FILE_FAILED", () => gathering, /there are more than 4000 files to include/);
});
