import { readFileSync } from "node:fs";
import { expect, test } from "vitest";
import { FAMILIES } from "../../src/metrics/families.ts";
import { familiesIn, unknownIn } from "./known-series.ts";
import { queryFaults } from "./promtool.ts";

interface Panel {
  readonly id: number;
  readonly type: string;
  readonly title: string;
  readonly datasource?: unknown;
  readonly gridPos: { readonly x: number; readonly y: number; readonly w: number; readonly h: number };
  readonly targets?: readonly { readonly refId: string; readonly expr: string; readonly legendFormat: string; readonly datasource: unknown }[];
}

const text = readFileSync(new URL("../../config/grafana-dashboard.json", import.meta.url), "utf8");
const dashboard = JSON.parse(text);
const panels: readonly Panel[] = dashboard.panels;
const targets = panels.flatMap((panel) => (panel.targets ?? []).map((target) => ({ ...target, title: panel.title })));
/** Grafana's way to name the variable. */
const DATA_SOURCE = `$${"{datasource}"}`;
/** As Grafana asks for them once a cluster is chosen. */
const asked = (query: string) => query.replaceAll("$cluster", "prod|stage");

test("dashboard: promtool parses every query, with a cluster put in", async () => {
  expect(targets.length).toBeGreaterThan(20);
  expect(await queryFaults(targets.map(({ expr }) => asked(expr)))).toBe("");
});

test("dashboard: every query asks for metrics and labels that there are, and of the clusters that were chosen", () => {
  for (const { title, expr, legendFormat } of targets) {
    expect([title, unknownIn(expr)]).toEqual([title, []]);
    expect([title, expr]).toEqual([title, expect.stringContaining('{cluster=~"$cluster"')]);
    const grouped = /^(?:time\(\) - )?\w+ by \(([^)]*)\)/.exec(expr)?.[1]?.split(", ") ?? [];
    const shown = [...legendFormat.matchAll(/\{\{(\w+)\}\}/g)].map(([, label = ""]) => label);
    expect([title, shown.filter((label) => !grouped.includes(label))]).toEqual([title, []]);
  }
});

test("dashboard: every metric is shown somewhere", () => {
  const shown = new Set(targets.flatMap(({ expr }) => familiesIn(expr)));
  expect(Object.keys(FAMILIES).filter((name) => !shown.has(name))).toEqual([]);
});

test("dashboard: data source and clusters are chosen at its top, and named nowhere else", () => {
  const variables = dashboard.templating.list.map(({ name, type }: { readonly name: string; readonly type: string }) => [name, type]);
  expect(variables).toEqual([
    ["datasource", "datasource"],
    ["cluster", "query"],
  ]);
  const sources = [...panels.filter(({ type }) => type !== "row"), ...targets, dashboard.templating.list[1]].map(({ datasource }) => datasource);
  expect(sources.filter((source) => JSON.stringify(source) !== JSON.stringify({ type: "prometheus", uid: DATA_SOURCE }))).toEqual([]);
  expect(unknownIn(dashboard.templating.list[1].query.query)).toEqual([]);
  // What an export for other people would leave behind.
  expect(text).not.toMatch(/__inputs|"uid": "(?!\$\{datasource\}|etcdsafe")/);
});

test("dashboard: panels have names and ids of their own, and lie side by side", () => {
  expect(new Set(panels.map(({ id }) => id)).size).toBe(panels.length);
  expect(new Set(panels.map(({ title }) => title)).size).toBe(panels.length - 1); // One is shown as it is now, and as it went.
  const taken = new Set<string>();
  for (const { title, gridPos, targets: own = [] } of panels) {
    expect([title, gridPos.x + gridPos.w <= 24]).toEqual([title, true]);
    for (let x = gridPos.x; x < gridPos.x + gridPos.w; x++) {
      for (let y = gridPos.y; y < gridPos.y + gridPos.h; y++) {
        expect([title, taken.has(`${x} ${y}`)]).toEqual([title, false]);
        taken.add(`${x} ${y}`);
      }
    }
    expect(new Set(own.map(({ refId }) => refId)).size).toBe(own.length);
  }
});
