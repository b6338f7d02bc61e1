// Reads a JUnit report as CI systems do: with libxml2, which refuses what is not well formed, against the XSD, and then what GitLab takes of it.
import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { XmlDocument, type XmlElement, XsdValidator } from "libxml2-wasm";

export interface ReportedCase {
  readonly suite: string;
  readonly classname: string;
  readonly name: string;
  readonly status: "success" | "failed" | "error" | "skipped";
  /** What is shown of a test case that did not succeed: the content, since attributes are not. */
  readonly output: string | null;
  readonly seconds: number;
  readonly properties: Readonly<Record<string, string>>;
}

const XSD = readFileSync(fileURLToPath(new URL("../golden/junit/junit.xsd", import.meta.url)));
const STATUS = { failure: "failed", error: "error", skipped: "skipped" } as const;

/** Throws for what is no XML 1.0, does not follow the schema, counts wrongly, or holds two test cases of one name, of which GitLab drops one. */
export function readJunit(xml: string | Uint8Array): ReportedCase[] {
  using document = typeof xml === "string" ? XmlDocument.fromString(xml) : XmlDocument.fromBuffer(xml);
  using schema = XmlDocument.fromBuffer(XSD);
  using validator = XsdValidator.fromDoc(schema);
  validator.validate(document);
  const suites = elements(document.root, "testsuite");
  const cases = suites.flatMap((suite) => {
    const those = elements(suite, "testcase").map((each) => caseOf(each, attribute(suite, "name")));
    requireCounts(suite, those, true);
    return those;
  });
  requireCounts(document.root, cases, false);
  const names = cases.map(({ classname, name }) => `${classname} ${name}`);
  if (new Set(names).size < names.length) throw new Error(`two test cases have one name: ${names.join(", ")}`);
  return cases;
}

function caseOf(element: XmlElement, suite: string): ReportedCase {
  const result = (["failure", "error", "skipped"] as const).map((kind) => [kind, elements(element, kind)[0]] as const).find(([, found]) => found !== undefined);
  const facts = elements(element, "properties").flatMap((each) => elements(each, "property"));
  return {
    suite,
    classname: attribute(element, "classname"),
    name: attribute(element, "name"),
    status: result === undefined ? "success" : STATUS[result[0]],
    output: result === undefined ? null : result[1]!.content,
    seconds: Number(attribute(element, "time")),
    properties: Object.fromEntries(facts.map((each) => [attribute(each, "name"), attribute(each, "value")])),
  };
}

function requireCounts(element: XmlElement, cases: readonly ReportedCase[], hasSkipped: boolean): void {
  const count = (status: string) => String(cases.filter((each) => each.status === status).length);
  const expected = { tests: String(cases.length), failures: count("failed"), errors: count("error"), ...(hasSkipped ? { skipped: count("skipped") } : {}) };
  for (const [name, value] of Object.entries(expected)) {
    if (attribute(element, name) !== value) throw new Error(`${element.name} has ${name} ${attribute(element, name)} instead of ${value}`);
  }
}

function elements(parent: XmlElement, name: string): XmlElement[] {
  return parent.find(name) as XmlElement[];
}

function attribute(element: XmlElement, name: string): string {
  return element.attr(name)?.value ?? "";
}
