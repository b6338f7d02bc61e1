// The page in a real browser. ETCDSAFE_SCREENSHOTS names a directory where the screenshots are left, to be looked at.
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import type { AgentStatus } from "../../../src/agent/status.ts";
import { type Browser, type Page, startChromium, type View } from "../../support/chromium.ts";
import { runs } from "../../support/counts.ts";
import { type Served, serve } from "./served.ts";
import { ALL, allWell, aSaveRuns, everythingFails, manyBackups, running } from "./statuses.ts";

const PHONE = { width: 360, height: 740 };
const PNG = [0x89, 0x50, 0x4e, 0x47];

let browser: Browser;
let served: Served;

beforeAll(async () => {
  browser = await startChromium();
  served = await serve();
});
afterAll(async () => {
  await served?.[Symbol.asyncDispose]();
  await browser?.[Symbol.asyncDispose]();
});

async function open(status: AgentStatus, view: View = {}): Promise<Page> {
  served.agent.status = status;
  return browser.open(`${served.url}/`, view);
}

async function keepScreenshot(page: Page, name: string): Promise<void> {
  const picture = await page.screenshot();
  expect([...picture.subarray(0, 4)]).toEqual(PNG);
  const directory = process.env["ETCDSAFE_SCREENSHOTS"];
  if (directory !== undefined) await writeFile(join(directory, `${name}.png`), picture);
}

const LOOKS: readonly (readonly [label: string, view: View])[] = [
  ["light", {}],
  ["dark", { isDark: true }],
  ["phone", PHONE],
  ["phone-without-scripts", { ...PHONE, runsScripts: false }],
];

test("page: the browser has nothing to complain about, nothing is wider than a telephone, and the picture has a size, however it is looked at", async () => {
  const shown = Object.entries(ALL).slice(-runs(3, Number.POSITIVE_INFINITY)); // Those with the most in them.
  for (const [name, status] of shown)
    for (const [label, view] of LOOKS) {
      const page = await open(status, view);
      await keepScreenshot(page, `${name}-${label}`);
      const facts = await page.evaluate(`({
        tooWide: document.documentElement.scrollWidth > innerWidth,
        verdict: document.querySelector("#verdict h2").getBoundingClientRect().height > 10,
        pictures: [...document.querySelectorAll("svg.timeline")].every((svg) => svg.getBoundingClientRect().width > 250),
        back: getComputedStyle(document.body).backgroundColor,
      })`);
      const back = view.isDark === true ? "rgb(13, 17, 23)" : "rgb(246, 247, 249)"; // Without its style sheet it would be neither.
      expect([name, label, facts]).toEqual([name, label, { tooWide: false, verdict: true, pictures: true, back }]);
      expect([name, label, page.complaints]).toEqual([name, label, []]);
      await page.close();
    }
});

test("page: marks lie within the picture, and where their times are", async () => {
  const page = await open(manyBackups);
  const places = await page.evaluate<number[]>(`[...document.querySelectorAll("svg.timeline")].flatMap((svg) => {
    const { left, width } = svg.getBoundingClientRect();
    return [...svg.querySelectorAll(".backup")].map((mark) => (mark.getBoundingClientRect().left + mark.getBoundingClientRect().width / 2 - left) / width);
  })`);
  expect(places.length).toBeGreaterThan(500);
  for (const place of places) expect(place).toBeGreaterThanOrEqual(-0.001);
  for (const place of places) expect(place).toBeLessThanOrEqual(1.001);
  const newest = Math.max(...places.slice(0, 15)); // Of the last 24 hours: 7 minutes before the right end.
  expect(newest).toBeCloseTo(1 - 7 / (24 * 60), 3);
  await page.close();
});

test("page: shows progress as it happens, without being loaded again", async () => {
  const page = await open(aSaveRuns);
  await page.evaluate(`void (window.untouched = true)`);
  const done = `document.querySelector(".bar .done").getBoundingClientRect().width / document.querySelector(".bar").getBoundingClientRect().width`;
  expect(await page.evaluate(done)).toBeCloseTo(0.662, 2);
  const [first] = running.steps;
  served.agent.status = { ...aSaveRuns, tasks: [{ ...aSaveRuns.tasks[0]!, running: { ...running, steps: [{ ...first!, doneBytes: 2_040_109_465 }] } }] };
  await page.until(`document.querySelector("#running .amount").textContent.startsWith("95 %")`);
  expect(await page.evaluate(done)).toBeCloseTo(0.95, 2);
  served.agent.status = { ...everythingFails, cluster: "prod-<b>eu</b>" };
  await page.until(`document.title === "✕ prod-<b>eu</b>: Something is wrong; recoverable to 29 h 7 min ago"`);
  expect(
    await page.evaluate(
      `[document.querySelector("h1").textContent, document.querySelector("#verdict").className, document.querySelector("#running p").textContent]`,
    ),
  ).toEqual(["prod-<b>eu</b>", "bad", "Nothing."]);
  expect(await page.evaluate(`window.untouched && document.getElementById("stale").hidden`)).toBe(true);
  expect(page.complaints).toEqual([]);
  await page.close();
});

test("page: says that it is old when the agent answers no more", async () => {
  const gone = await serve();
  gone.agent.status = aSaveRuns;
  const page = await browser.open(`${gone.url}/`);
  await gone.server[Symbol.asyncDispose]();
  await page.until(`!document.getElementById("stale").hidden`);
  expect(await page.evaluate(`getComputedStyle(document.querySelector("main")).opacity`)).toBe("0.4"); // Nothing green to be misled by.
  expect(await page.evaluate(`document.getElementById("stale").textContent`)).toMatch(
    /^The agent has not answered since \d{4}-\d\d-\d\d \d\d:\d\d:\d\d UTC: what stands below is from then\.$/,
  );
  await page.close();
});

test("page: without scripts it tells the same, and is loaded again by itself", async () => {
  const page = await open(aSaveRuns, { runsScripts: false });
  const facts = `["#verdict h2", "#verdict dd", "#running .amount", "#lease p"].map((each) => document.querySelector(each).innerText.trim())`;
  const told = await page.evaluate(facts);
  expect(told).toEqual([
    "✓ Everything is recoverable",
    expect.stringContaining("1 h 7 min ago"),
    "66 %, 1.4 GB of 2.1 GB",
    expect.stringMatching(/^This agent on .* since/),
  ]);
  expect(await page.evaluate(`document.querySelector("noscript meta").content`)).toBe("30");
  await page.close();
  const withScripts = await open(aSaveRuns);
  expect(await withScripts.evaluate(facts)).toEqual(told);
  await withScripts.close();
});

test("page: nothing that a status holds runs, or becomes an element", async () => {
  const nasty = `</script></style></title><script>window.ran = 1</script><img src=x onerror="window.ran = 1"><b id=b>" onload='window.ran = 1' x="`;
  const names = ["message", "hint", "phase", "step", "code", "version", "cluster", "host", "id", "state", "schedule"];
  const status = JSON.parse(JSON.stringify(everythingFails), (name, value) =>
    names.includes(name) && typeof value === "string" && value !== "failed" ? nasty : value,
  );
  const page = await open(status);
  const count = `["script", "img", "b", "#b", "[onload]", "[onerror]", "style", "title:not(svg title)"].map((each) => document.querySelectorAll(each).length)`;
  expect(await page.evaluate(count)).toEqual([1, 0, 0, 0, 0, 0, 1, 1]);
  expect(await page.evaluate(`document.querySelector("h1").textContent`)).toBe(nasty);
  expect(await page.evaluate(`window.ran === undefined`)).toBe(true);
  expect(page.complaints).toEqual([]);
  await page.close();
});

test("page: the policy is in force: no other script, style, picture, frame, form or address", async () => {
  const page = await open(allWell);
  const refused = await page.evaluate(`(async () => {
    const append = (name, set) => document.body.append(Object.assign(document.createElement(name), set));
    const thrown = (run) => { try { run(); return false; } catch (error) { return error instanceof TypeError; } };
    append("style", { textContent: "body { color: rgb(1, 2, 3); }" });
    append("img", { src: "/status" });
    append("iframe", { src: "/status" });
    return {
      script: thrown(() => append("script", { textContent: "window.ran = 1" })),
      markup: thrown(() => { document.body.innerHTML = "<b>"; }),
      evaluated: thrown(() => { document.body.setAttribute("onclick", "window.ran = 1"); document.body.click(); }) || window.ran === undefined,
      style: getComputedStyle(document.body).color !== "rgb(1, 2, 3)",
      address: await fetch("https://192.0.2.1/").then(() => false, () => true),
      ran: window.ran,
    };
  })()`);
  expect(refused).toEqual({ script: true, markup: true, evaluated: true, style: true, address: true });
  await page.until(`new Promise((resolve) => setTimeout(() => resolve(true), 200))`);
  for (const directive of ["style-src", "img-src", "default-src", "connect-src"]) expect(page.complaints.join("\n")).toContain(directive);
  await page.close();
});
