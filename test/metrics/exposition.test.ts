import fc from "fast-check";
import { Gauge, Registry } from "prom-client";
import { expect, test } from "vitest";
import { parseExposition, renderExposition } from "../../src/metrics/exposition.ts";
import { runs, SEED } from "../support/counts.ts";

test("exposition: what prom-client prints is read as it was meant, and printed again to the byte", async () => {
  const value = fc.oneof(fc.string({ unit: fc.constantFrom('"', "\\", "\n", "}", "{", ",", "=", " ", "n", "ü", "1") }), fc.string());
  const samples = fc.uniqueArray(fc.tuple(value, value, fc.double()), { selector: ([a, b]) => JSON.stringify([a, b]), maxLength: 8 });
  await fc.assert(
    fc.asyncProperty(samples, value, async (each, help) => {
      const registry = new Registry();
      const gauge = new Gauge({ name: "etcdsafe_x", help: `h${help.replaceAll("\r", "")}`, labelNames: ["a", "b"], registers: [registry] });
      for (const [a, b, number] of each) gauge.set({ a, b }, number);
      const text = `${await registry.getSingleMetricAsString("etcdsafe_x")}\n`;
      const { families, unreadable } = parseExposition(text);
      expect(unreadable).toBe(0);
      expect([...families.values()].flatMap(({ series }) => series.map(({ labels }) => labels))).toEqual(each.map(([a, b]) => ({ a, b })));
      expect(renderExposition(families.values())).toBe(text);
    }),
    { seed: SEED, numRuns: runs(200, 5_000) },
  );
});

test("exposition: comments and blank lines say nothing, and what is no line of the format is counted", () => {
  const text = [
    "# HELP a Some text.",
    "# TYPE a gauge",
    "",
    "# TYPEs of comments",
    'a{b="1"} 2',
    'a{b="1",} 2.5e-3 1763708400000',
    "a 1",
    "a NaN",
    "a +Inf",
    'a{b="1} 2', // No end of the value.
    'a{b="1" c="2"} 2',
    'a{b="1",b="2"} 2',
    'a{b="\\x"} 2',
    "a{} two",
    "a",
    "{} 1",
    "1a 1",
    "#",
  ];
  const { families, unreadable } = parseExposition(`${text.join("\n")}\n`);
  expect([...families.keys()]).toEqual(["a"]);
  expect(families.get("a")?.series.map(({ labels }) => labels)).toEqual([{ b: "1" }, { b: "1" }, {}, {}, {}]);
  expect(unreadable).toBe(8);
});

test("exposition: a last line without an end may have been cut, and is not read", () => {
  const { families, unreadable } = parseExposition("a 1\na 17");
  expect(families.get("a")?.series.map(({ line }) => line)).toEqual(["a 1"]);
  expect(unreadable).toBe(1);
});
