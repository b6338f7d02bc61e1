import { createHash } from "node:crypto";
import fc from "fast-check";
import { XmlDocument, XmlElement } from "libxml2-wasm";
import { expect, test } from "vitest";
import { PAGE_POLICY, renderPage } from "../../../src/agent/http/page.ts";
import type { AgentStatus } from "../../../src/agent/status.ts";
import { runs, SEED } from "../../support/counts.ts";
import { ALL, ago, allWell, aSaveRuns, everythingFails, finished, manyBackups, nothingYet, notReadYet, standby, task, unreadable } from "./statuses.ts";

interface Element {
  readonly name: string;
  readonly attributes: readonly (readonly [name: string, value: string])[];
  readonly text: string;
}

/** The page is well-formed as XML too, which is stricter than any browser. */
function elementsOf(page: string): Element[] {
  using document = XmlDocument.fromString(page);
  const found: Element[] = [];
  const visit = (element: XmlElement) => {
    found.push({ name: element.name, attributes: element.attrs.map(({ name, value }) => [name, value]), text: element.content });
    for (let child = element.firstChild; child !== null; child = child.next) if (child instanceof XmlElement) visit(child);
  };
  visit(document.root);
  return found;
}

/** As it is read: without what is no text, parts apart by a blank. */
function textOf(of: AgentStatus): string {
  const markup = renderPage(of).replace(/<(title|style|script)[ >][\s\S]*?<\/\1>/g, "");
  return markup
    .replace(/<[^>]+>/g, " ")
    .replaceAll("&#39;", "'")
    .replace(/\s+/g, " ")
    .replace(/ ([,.;:)])/g, "$1");
}

/** Places and sizes follow from times and amounts, and nothing else does. */
const MEASURE = /^-?\d+(\.\d+)?%?$/;
const templates = Object.values(ALL).flatMap((each) => elementsOf(renderPage(each)));
const elements = new Set(templates.map(({ name }) => name));
const attributes = new Set(templates.flatMap(({ name, attributes: own }) => own.map(([attribute]) => `${name} ${attribute}`)));
const values = new Set(templates.flatMap(({ name, attributes: own }) => own.map(([attribute, value]) => `${name} ${attribute}=${value}`)));

const NASTY = [
  "</script><script>alert(1)</script>",
  "</style><b>",
  "</title></head>",
  '" onload="alert(1)',
  "'><img src=x onerror=alert(1)>",
  "<!--",
  "]]>",
  "&lt;b&gt;",
  "&#0;",
  "<svg/onload=1>",
];
const STRANGE = [
  "\u202eevil",
  "\u0000\u001b[31m",
  "\ud800",
  "\uffff",
  "`$1 \\1",
  "$&$'$`",
  "javascript:alert(1)",
  "\r\n\t",
  "x".repeat(5_000),
  "",
  "constructor",
  "__proto__",
];
const anyText = fc.oneof(
  fc.constantFrom(...NASTY, ...STRANGE),
  fc.string({ unit: fc.nat(0xffff).map((unit) => String.fromCharCode(unit)), maxLength: 30 }),
  fc.array(fc.constantFrom(..."<>&\"'`=/! -a;#x"), { maxLength: 20 }).map((parts) => parts.join("")),
);

/** What is no free text, by its type. */
const CLOSED = new Set(["role", "kind", "reason"]);

/** The status with other texts in the place of some or all of its own. */
function disturbed(value: unknown, next: () => string | undefined, name = ""): unknown {
  if (typeof value === "string") return CLOSED.has(name) || value === "running" || value === "done" || value === "failed" ? value : (next() ?? value);
  if (Array.isArray(value)) return value.map((each) => disturbed(each, next));
  if (value === null || typeof value !== "object") return value;
  return Object.fromEntries(Object.entries(value).map(([key, each]) => [key, disturbed(each, next, key)]));
}

test("page: no text of a status becomes an element, an attribute or a part of one that the template has not", () => {
  const texts = fc.array(fc.option(anyText, { nil: undefined, freq: 3 }), { minLength: 1, maxLength: 60 });
  fc.assert(
    fc.property(fc.constantFrom(...Object.values(ALL)), texts, (status, chosen) => {
      let index = 0;
      const page = renderPage(disturbed(status, () => chosen[index++ % chosen.length]) as AgentStatus);
      for (const { name, attributes: own } of elementsOf(page)) {
        expect(elements).toContain(name);
        for (const [attribute, value] of own) {
          expect(attributes).toContain(`${name} ${attribute}`);
          if (!MEASURE.test(value) && !values.has(`${name} ${attribute}=${value}`))
            expect([name, attribute, value]).toEqual([name, attribute, expect.stringMatching(SHAPE)]);
        }
      }
    }),
    { seed: SEED, numRuns: runs(80, 2_000) },
  );
});

/** What depends on amounts, but was not seen in the templates. */
const SHAPE = /^(start|middle|end|(tick|gap-label)( second)?|ok|warn|bad|good|yes|no|(backup|state) (proven|unconfirmed|doubtful|damaged))$/;

test("page: what is shown is what was said, also where it looks like markup or turns the line around", () => {
  const cluster = "<b>a&b</b> \u202e'\"`\u0000\ud800";
  const h1 = elementsOf(renderPage({ ...allWell, cluster })).find(({ name }) => name === "h1")!;
  expect(h1.text).toBe("<b>a&b</b> \\u{202e}'\"`\\u{0}\ufffd");
});

test("page: the policy lets its own style and script through, and nothing else; no attribute needs more", () => {
  const found = elementsOf(renderPage(everythingFails));
  const hash = (name: string) => {
    const [only, ...others] = found.filter((element) => element.name === name);
    expect(others).toEqual([]);
    expect(only!.attributes).toEqual([]);
    expect(only!.text).not.toMatch(/[<&]/); // The same text to HTML and to XML.
    return `'sha256-${createHash("sha256").update(only!.text).digest("base64")}'`;
  };
  expect(PAGE_POLICY.split("; ")).toEqual([
    "default-src 'none'",
    `style-src ${hash("style")}`,
    `script-src ${hash("script")}`,
    "connect-src 'self'",
    "base-uri 'none'",
    "form-action 'none'",
    "frame-ancestors 'none'",
    "require-trusted-types-for 'script'",
    "trusted-types 'none'",
  ]);
  expect([...attributes].filter((each) => / (style|on\w+|src|srcset|action|formaction|xlink:href)$/.test(each))).toEqual([]);
  const links = [...values].filter((each) => each.includes(" href="));
  expect(links.toSorted()).toEqual(["a href=healthz", "a href=metrics", "a href=readyz", "a href=status"]);
});

test("page: tells in words what somebody wants to know at 3 a.m.", () => {
  expect(textOf(allWell)).toMatch(
    /✓ Everything is recoverable.* Recoverable to 7 min ago 2026-11-22 03:00:12 UTC .*Next save in 53 min 2026-11-22 04:00:12 UTC/,
  );
  expect(textOf(allWell)).toMatch(
    /Running now Nothing\. .*Who writes This agent on etcd-backup-7c9d5f6b8-x2x7q \(process 1\) since 2026-11-20 03:07:12 UTC, 2 d ago\./,
  );
  expect(textOf(nothingYet)).toContain("No backup when the repository was read 4 min ago: nothing can be recovered");
  expect(textOf(notReadYet)).toMatch(
    /Not known: the repository cannot be read.*Next save not known, as who writes is not.*cannot see who does.*EAI_AGAIN.*no backup is made in any repository.*This agent cannot see who writes\. /,
  );
  expect(textOf(notReadYet)).not.toMatch(/[Nn]obody|takes over/);
  expect(textOf(unreadable)).toMatch(
    /✕ Not known: the repository was read last 24 min ago Recoverable to, as it was then 7 min ago .*Nothing that was known when the repository was read 24 min ago\./,
  );
  expect(textOf(standby)).toMatch(/Next save the writer’s business, due in 53 min .*etcd-backup-7c9d5f6b8-p4mzt \(process 1\) since .*This agent stands by/);
  expect(textOf(aSaveRuns)).toMatch(/Next save runs now since 2026-11-22 03:06:38 UTC.*What is next, and how it went last save runs now schedule/);
  expect(textOf(aSaveRuns)).toMatch(
    /Running now save for 34 s since 2026-11-22 03:06:38 UTC, job save-7f3c9a2b receiving the snapshot 66 %, 1\.4 GB of 2\.1 GB storing 301\.0 MB/,
  );
  const failing = textOf(everythingFails);
  expect(failing).toMatch(/Something is wrong; recoverable to 29 h 7 min ago .*7 things to look at The save failed 29 times in a row; tried again in 4 min/);
  expect(failing).toMatch(/https:\/\/10\.0\.3\.12:2379: no answer within 10 s .*Check --endpoints/);
  expect(failing).toMatch(/save 6 min ago 2026-11-22 03:01:12 UTC, while: connecting to etcd, ETCD_UNREACHABLE; 29 times since 2026-11-20 23:01:12 UTC/);
  expect(failing).toMatch(/Longer than usual without a backup: 29 h 7 min from 2026-11-20 22:00:04 UTC, until now\./);
  expect(textOf(manyBackups)).toMatch(/the newest 500 of 1234 backups .*Every revision from 48180000 to 48211930 and on .*And 1209 older backups/);
});

test("page: which repository was read is told, of each", () => {
  expect(textOf(allWell)).toContain("s3://acme-etcd-backups/prod, read 4 min ago file:///var/backups/etcd, saved to as well, not read here");
  expect(textOf(notReadYet)).toContain("s3://acme-etcd-backups/prod, not read yet");
});

test("page: what failed here and left nothing in the repository is told with what did, once", () => {
  const failures = (of: AgentStatus) => /What failed in the last 7 days (.*) Newest backups/.exec(textOf(of))![1];
  const failure = { reason: "partly-done", message: "s3://bkt/dead: connection refused", hint: "" } as const;
  const partlyDone = task("save", { failuresInARow: 2, last: finished("save", 360_000, { id: "save-1", state: "failed", failure }) });
  const told = "save 6 min ago 2026-11-22 03:01:12 UTC, partly-done, job save-1 of this process; 2 times in a row s3://bkt/dead: connection refused";
  expect(failures({ ...allWell, tasks: [partlyDone] })).toBe(told);
  expect(failures({ ...notReadYet, tasks: [partlyDone] })).toBe(`Not known yet, but for what failed here. ${told}`);
  const noted = {
    action: "save",
    phase: "uploading",
    backup: null,
    startedAt: ago(400_000),
    finishedAt: ago(361_000),
    failure: { code: "STORAGE_FULL", message: "full", hint: "" },
  } as const;
  const other = { ...noted, finishedAt: ago(3_600_000) };
  expect(failures({ ...allWell, tasks: [partlyDone], catalogue: { ...allWell.catalogue!, failed: [noted] } })).toBe(
    "save 6 min ago 2026-11-22 03:01:11 UTC, while: uploading, STORAGE_FULL full",
  );
  expect(failures({ ...allWell, tasks: [partlyDone], catalogue: { ...allWell.catalogue!, failed: [other] } })).toMatch(
    /^save 6 min ago .* refused save 1 h ago .* full$/,
  );
  expect(failures({ ...allWell, tasks: [task("save", { last: finished("save", 8 * 86_400_000, { state: "failed", failure }) })] })).toBe("Nothing.");
});

test("page: where there is no advice, nothing points to it", () => {
  const hints = (of: AgentStatus) =>
    elementsOf(renderPage(of)).filter(({ attributes: own }) => own.some(([name, value]) => name === "class" && value === "hint"));
  const failed = finished("verify", 60_000, { state: "failed", failure: { reason: "corrupt", message: "bad", hint: "" } });
  const attempt = { ...everythingFails.catalogue!.failed[0]!, failure: { code: "X", message: "y", hint: "" } };
  expect(hints({ ...allWell, tasks: [...allWell.tasks, task("verify", { last: failed })], catalogue: { ...allWell.catalogue!, failed: [attempt] } })).toEqual(
    [],
  );
  expect(hints(everythingFails).map(({ text }) => text)).not.toContain("");
});

test("page: the picture has a mark for each backup, gap, window and failure, and says the same in words", () => {
  const found = elementsOf(renderPage(everythingFails));
  const count = (name: string, classes: string) =>
    found.filter((each) => each.name === name && each.attributes.some(([attribute, value]) => attribute === "class" && value === classes)).length;
  expect(found.find(({ name, attributes: own }) => name === "title" && own.some(([, value]) => value === "week-told"))!.text).toBe(
    "43 backups (3 not usable), 1 gap, the longest of 29 h 7 min, 30 failures",
  );
  const legend = 1;
  const [day, week] = [0, 1];
  expect(count("rect", "backup proven")).toBe(day + (43 - 3 - 2) * week + 2 * legend);
  expect(count("rect", "backup unconfirmed")).toBe(2 * week + legend);
  expect(count("path", "cross")).toBe(2 * week + legend);
  expect(count("rect", "backup doubtful")).toBe(week + legend);
  expect(count("path", "failure")).toBe(24 + 30 * week + legend);
  expect(count("rect", "gap-area")).toBe(2 + legend);
});
