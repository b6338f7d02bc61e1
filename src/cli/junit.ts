// What `verify` found, as JUnit XML, of which every CI system reads another part. GitLab shows of a test case its classname, name and time and the content of
// what went wrong, not its attributes, and counts two of one classname and name once (docs.gitlab.com/ci/testing/unit_test_reports); others show the suites.
import { parseBackupId } from "../repository/names.ts";
import { printableLine } from "./printable.ts";
import { findingsText, isBad, type Verified } from "./verified-text.ts";

/** Backups that `latest` or `oldest` did not mean, and why. */
export interface PassedOver {
  readonly repository: string;
  readonly cluster: string | null;
  readonly message: string;
}

interface TestCase {
  /** Of the suite that it is in as well: what keeps a backup's copies in several repositories apart. */
  readonly classname: string;
  readonly name: string;
  readonly timeMs: number;
  /** When it began; undefined where nothing did. */
  readonly startedAt?: string;
  readonly properties: Readonly<Record<string, string>>;
  readonly result?: { readonly kind: "failure" | "error" | "skipped"; readonly type: string; readonly message: string; readonly text: string };
  /** Of one that passed. */
  readonly output?: string;
}

/** The whole document. One suite for each cluster of each repository, one test case for each backup. */
export function junitXml(verified: readonly Verified[], passedOver: readonly PassedOver[]): string {
  const cases = [...verified.map(testCase), ...passedOver.map(skippedCase)];
  const suites = [...Map.groupBy(cases, ({ classname }) => classname)].map(([name, those]) => suiteXml(name, those));
  const { skipped: _, ...counts } = countsOf(cases);
  return `<?xml version="1.0" encoding="UTF-8"?>\n${element("testsuites", { name: "etcdsafe verify", ...counts }, suites)}`;
}

function suiteXml(name: string, cases: readonly TestCase[]): string {
  const startedAt = cases.flatMap((each) => each.startedAt ?? []).toSorted()[0];
  // The XSD of Ant's format has neither a zone nor fractions there.
  const timestamp = startedAt === undefined ? {} : { timestamp: startedAt.slice(0, "yyyy-mm-ddThh:mm:ss".length) };
  return element("testsuite", { name, ...countsOf(cases), ...timestamp }, cases.map(caseXml));
}

function countsOf(cases: readonly TestCase[]) {
  const count = (kind: string) => String(cases.filter(({ result }) => result?.kind === kind).length);
  const timeMs = cases.reduce((sum, each) => sum + each.timeMs, 0);
  return { tests: String(cases.length), failures: count("failure"), errors: count("error"), skipped: count("skipped"), time: seconds(timeMs) };
}

function caseXml({ classname, name, timeMs, properties, result, output }: TestCase): string {
  const facts = Object.entries(properties).map(([property, value]) => element("property", { name: property, value }, []));
  return element("testcase", { classname, name, time: seconds(timeMs) }, [
    ...(facts.length === 0 ? [] : [element("properties", {}, facts)]),
    ...(result === undefined ? [] : [textElement(result.kind, { type: result.type, message: result.message }, result.text)]),
    ...(output === undefined ? [] : [textElement("system-out", {}, output)]),
  ]);
}

function testCase(verified: Verified): TestCase {
  const about = { classname: classnameOf(verified), name: nameOf(verified) };
  const text = findingsText(verified);
  if (verified.outcome === "not-verified") {
    const { code, message } = verified.failure;
    // That a repository is damaged, or that there is no backup where there should be one, was found out; of what else could not be read, nothing was.
    const kind = isBad(verified) || (verified.backup === null && code === "BACKUP_NOT_FOUND") ? "failure" : "error";
    return { ...about, timeMs: 0, properties: { level: verified.level }, result: { kind, type: code, message, text } };
  }
  const { failure, startedAt, finishedAt } = verified;
  const ran = { ...about, startedAt, timeMs: Math.max(0, Date.parse(finishedAt) - Date.parse(startedAt)), properties: propertiesOf(verified) };
  if (failure === null) return text === "" ? ran : { ...ran, output: text };
  return { ...ran, result: { kind: "failure", type: failure.code, message: failure.message, text: `${failure.message}\n${text}` } };
}

function skippedCase({ repository, cluster, message }: PassedOver): TestCase {
  const result = { kind: "skipped", type: "PASSED_OVER", message, text: message } as const;
  return { classname: placeName(repository, cluster), name: "passed over", timeMs: 0, properties: {}, result };
}

/** By the names that they have in the JSON document. */
function propertiesOf(verified: Exclude<Verified, { readonly outcome: "not-verified" }>): Record<string, string> {
  const { level, readSizeBytes, hashKv } = verified;
  const revision = hashKv?.revision ?? ("backup" in verified ? parseBackupId(verified.backup)?.revision.toString() : undefined);
  const state = "state" in verified ? verified.state : null;
  return { level, readSizeBytes: String(readSizeBytes), ...(revision === undefined ? {} : { revision }), ...(state === null ? {} : { state }) };
}

function classnameOf(verified: Verified): string {
  if (verified.repository !== undefined) return placeName(verified.repository, "cluster" in verified ? verified.cluster : null);
  return "file" in verified ? "snapshot files" : "etcdsafe verify";
}

function nameOf(verified: Verified): string {
  if ("file" in verified) return verified.file;
  return verified.backup ?? "can be verified";
}

/** Where the cluster's objects are: `s3://backups/etcd/prod`. */
function placeName(repository: string, cluster: string | null): string {
  return cluster === null ? repository : `${repository.replace(/\/+$/, "")}/${cluster}`;
}

function seconds(spanMs: number): string {
  return (spanMs / 1000).toFixed(3);
}

function element(name: string, attributes: Readonly<Record<string, string>>, children: readonly string[]): string {
  const start = `<${name}${attributesXml(attributes)}`;
  if (children.length === 0) return `${start}/>\n`;
  return `${start}>\n${children.join("")}</${name}>\n`;
}

function textElement(name: string, attributes: Readonly<Record<string, string>>, text: string): string {
  return `<${name}${attributesXml(attributes)}>${escaped(text)}</${name}>\n`;
}

function attributesXml(attributes: Readonly<Record<string, string>>): string {
  return Object.entries(attributes)
    .map(([name, value]) => ` ${name}="${escaped(printableLine(value))}"`)
    .join("");
}

// XML 1.0, production 2: what no document may hold, not even as a reference. Tab and carriage return are left to readers that would change them.
// biome-ignore lint/suspicious/noControlCharactersInRegex: these are the ones to remove.
const FORBIDDEN = /[\u0000-\u0009\u000b-\u001f\u007f-\u009f\ufffe\uffff]/g;
const ENTITIES: Readonly<Record<string, string>> = { "&": "&amp;", "<": "&lt;", ">": "&gt;", '"': "&quot;", "'": "&apos;" };

/** Characters that XML does not have become `\xNN` or `\uNNNN`, and half a surrogate pair what Unicode puts in its place. */
function escaped(text: string): string {
  const named = (character: string): string => {
    const code = character.charCodeAt(0).toString(16);
    return code.length > 2 ? `\\u${code}` : `\\x${code.padStart(2, "0")}`;
  };
  return text
    .toWellFormed()
    .replace(FORBIDDEN, named)
    .replace(/[&<>"']/g, (character) => ENTITIES[character]!);
}
