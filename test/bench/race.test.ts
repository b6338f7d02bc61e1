import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { expect, test } from "vitest";
import { race } from "../../bench/race.ts";
import { temporaryDirectory } from "../support/temporary-directory.ts";

test("race: the sides take turns, each in an empty directory, and the first turn does not count", async () => {
  await using directory = await temporaryDirectory();
  const [out, log] = [join(directory.path, "out"), join(directory.path, "log")];
  const side = (name: string, sleepSeconds: number) => ({
    file: "/bin/sh",
    // The first turn is slow: it would be the median's upper half if it counted.
    args: ["-c", `[ -s "$1" ] || sleep 1; sleep ${sleepSeconds}; ls "$0" | wc -l >>"$1"; echo ${name} >>"$1"; echo left >"$0/left"`, out, log],
    env: process.env,
  });
  const { ours, peer } = await race({ ours: side("ours", 0), peer: side("peer", 0.2) }, out, 2);
  expect((await readFile(log, "utf8")).replace(/\s+/g, " ").trim()).toBe(Array.from({ length: 3 }, () => "0 ours 0 peer").join(" "));
  expect(ours.wallMedianMs).toBeLessThan(peer.wallMedianMs);
  expect(peer.wallMinMs).toBeGreaterThanOrEqual(200);
  expect(peer.wallMedianMs).toBeLessThan(1000);
});

test("race: a run that fails stops it and shows why", async () => {
  await using directory = await temporaryDirectory();
  const command = (source: string) => ({ file: "/bin/sh", args: ["-c", source], env: process.env });
  const both = { ours: command("true"), peer: command("echo no such thing >&2; exit 6") };
  await expect(race(both, join(directory.path, "out"), 1)).rejects.toThrow(/ended with 6:\nno such thing/);
});
