// docs/metrics.md is held to what is printed of runs that have everything to tell.
import { readFileSync } from "node:fs";
import { expect, test } from "vitest";
import { createMetrics } from "../../src/metrics/metrics.ts";
import { FAILURE_REASONS } from "../../src/metrics/reasons.ts";
import { failedRun, saveRun, verifiedFacts, verifyRun } from "./run-facts.ts";

const LEVELS = ["stored-bytes", "hash", "structure"] as const;
const page = readFileSync(new URL("../../docs/metrics.md", import.meta.url), "utf8");

interface Printed {
  readonly type: string;
  readonly help: string;
  readonly labels: ReadonlySet<string>;
}

/** As a run of each kind prints it. */
async function printed(): Promise<{ readonly families: ReadonlyMap<string, Printed>; readonly values: ReadonlyMap<string, ReadonlySet<string>> }> {
  const metrics = createMetrics("1.2.3");
  metrics.record(saveRun({ moved: ["file", "s3", "gs", "azblob"].map((store) => ({ store, direction: "written", sizeBytes: 1 })) }));
  metrics.record(verifyRun(LEVELS.map((level) => verifiedFacts({ level }))));
  metrics.record(saveRun({ action: "prune", saved: null }));
  const time = new Date("2026-11-22T08:00:00.000Z");
  const certificates = (["client", "ca", "listen"] as const).map((certificate) => ({ certificate, expiresAt: time }));
  const nextRuns = { save: time, verify: time, prune: time };
  metrics.recordAgent({
    cluster: "default",
    role: "writer",
    nextRuns,
    recoveryWindow: { from: time, to: time },
    readAt: time,
    damagedBackups: 0,
    certificates,
  });
  for (const failure of FAILURE_REASONS) metrics.record(failedRun({ failure }));
  const families = new Map<string, { type: string; help: string; labels: Set<string> }>();
  const values = new Map<string, Set<string>>();
  const family = (name: string) => families.get(name) ?? families.set(name, { type: "", help: "", labels: new Set() }).get(name)!;
  for (const line of (await metrics.text()).split("\n")) {
    const [, head, name = "", text = ""] = /^# (HELP|TYPE) (\w+) (.*)$/.exec(line) ?? [];
    if (head === "HELP") family(name).help = text;
    else if (head === "TYPE") family(name).type = text;
    for (const [, label = "", value = ""] of line.startsWith("#") ? [] : line.matchAll(/(\w+)="([^"]*)"/g)) {
      family(line.slice(0, line.indexOf("{"))).labels.add(label);
      values.set(label, (values.get(label) ?? new Set()).add(value));
    }
  }
  return { families, values };
}

function rowsUnder(title: string): readonly (readonly string[])[] {
  const lines = page.slice(page.indexOf(`| ${title} `)).split("\n");
  const end = lines.findIndex((line) => !line.startsWith("|"));
  return lines.slice(2, end).map((line) =>
    line
      .split(/(?<!\\)\|/)
      .slice(1, -1)
      .map((cell) => cell.trim()),
  );
}

function unitOf(name: string): string {
  if (name.endsWith("_timestamp_seconds")) return "seconds since 1970 UTC";
  if (name.endsWith("_seconds")) return "seconds";
  if (name.endsWith("_bytes")) return "bytes";
  return /_(info|state)$/.test(name) ? "0 or 1" : "count";
}

const code = (text: string) => `\`${text}\``;

test("families: docs/metrics.md lists every metric with its type, labels, unit and meaning, in their order, and when it is set", async () => {
  const { families } = await printed();
  const rows = rowsUnder("Metric");
  const expected = [...families].map(([name, { type, help, labels }]) => [code(name), type, [...labels].map(code).join(", "), unitOf(name), help]);
  expect(rows.map((row) => row.slice(0, 5))).toEqual(expected);
  expect(rows.filter(([, , , , , when = ""]) => when === "")).toEqual([]);
});

test("families: docs/metrics.md lists every label, and all values of those that are closed sets", async () => {
  const { values } = await printed();
  const rows = new Map(rowsUnder("Label").map(([label = "", , listed = ""]) => [label, listed]));
  expect([...rows.keys()].sort()).toEqual([...values.keys()].map(code).sort());
  for (const [label, all] of values) {
    if (!/^(cluster|version)$/.test(label)) expect(rows.get(code(label))?.split(", "), label).toEqual(expect.arrayContaining([...all].map(code)));
  }
  expect(rows.get(code("reason"))?.split(", ")).toEqual(FAILURE_REASONS.map(code));
});

test("families: no query of docs/metrics.md asks for a metric or a label that there is not", async () => {
  const { families, values } = await printed();
  const queries = [...page.matchAll(/`([^`\n]*\(.*?etcdsafe_[^`]*|etcdsafe_\w+(?:\{| \/)[^`]*)`/g)].map(([, query = ""]) => query);
  expect(queries.length).toBeGreaterThan(10);
  const names = new Set([...page.matchAll(/\betcdsafe_\w+/g)].map(([name]) => name));
  expect([...names].filter((name) => !families.has(name))).toEqual([]);
  for (const [, label = "", value = ""] of queries.flatMap((query) => [...query.matchAll(/(\w+)=~?"([^"]*)"/g)])) {
    for (const each of value.replaceAll("\\", "").split("|")) expect([label, [...(values.get(label) ?? [])]]).toEqual([label, expect.arrayContaining([each])]);
  }
  const grouped = queries.flatMap((query) => [...query.matchAll(/by \(([^)]*)\)/g)].flatMap(([, labels = ""]) => labels.split(", ")));
  expect(grouped.filter((label) => !values.has(label))).toEqual([]);
});

test("families: Prometheus' rules for names hold: our prefix, base units, no totals", async () => {
  const { families } = await printed();
  for (const [name, { help }] of families) {
    expect(name).toMatch(/^etcdsafe_[a-z_]+$/);
    expect(name).not.toMatch(/_(total|count|sum|bucket|ms|mb)$/);
    expect(help).toMatch(/\.$/);
    if (unitOf(name) !== "count" && unitOf(name) !== "0 or 1") expect(help).toMatch(name.endsWith("_bytes") ? /in bytes/ : /in seconds/);
  }
});
