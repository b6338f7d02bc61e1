// Reads one option's value from text, the same way whether it came as a flag, from the environment or from a file.
import { isAbsolute, resolve } from "node:path";
import { isMistypedUrl } from "../storage/place.ts";
import { formatDuration, parseDuration } from "./duration.ts";
import { contentFault } from "./file-content.ts";
import type { OptionSpec } from "./option.ts";
import { formatRate, parseRate } from "./rate.ts";

/** `refused` completes a sentence that begins with where the value came from; it never repeats a secret. */
export type ReadValue =
  | { readonly value: string | number | boolean | readonly string[] /** Where it was given more than once. */; readonly all?: readonly string[] }
  | { readonly refused: string };

/** `directory` is what relative paths start from; undefined leaves them to the working directory. */
export function readValue(spec: OptionSpec, text: string, directory?: string): ReadValue {
  if (text === "") return { refused: "is empty" };
  if (spec.kind === "list") return readList(spec, text.split(","), directory);
  if (spec.kind === "secret") return { value: text };
  const misplaced = contentFault(spec, text);
  if (misplaced !== undefined) return { refused: misplaced };
  switch (spec.kind) {
    case "boolean":
      return readBoolean(text);
    case "duration":
      return readDuration(spec, text);
    case "enum":
      return spec.choices?.includes(text) ? { value: text } : { refused: `${quoted(text)} is none of ${spec.choices?.join(", ")}` };
    case "path":
    case "secret-file":
      return unlikePattern(spec, text) ?? { value: directory === undefined || text === "-" || isAbsolute(text) ? text : resolve(directory, text) };
    case "location":
      // Never repeated in the refusal: what stands before the @ may be a secret.
      if (/^[a-z][a-z0-9+.-]*:\/\/[^/]*@/i.test(text)) return { refused: "holds a user or a password, which a URL must not: it is printed and logged" };
      if (isMistypedUrl(text)) return { refused: "is no URL, which has two slashes after its colon; a path that begins so is written ./NAME" };
      return { value: directory === undefined || /^[a-z][a-z0-9+.-]*:\/\//i.test(text) || isAbsolute(text) ? text : resolve(directory, text) };
    case "string":
      return unlikePattern(spec, text) ?? { value: text };
    case "url":
      return readUrl(text);
    case "hook": {
      // As Kubernetes sets a variable from a Secret that was made of a file.
      const url = withoutLineEnd(text);
      return isHttpUrl(url) ? { value: url } : { refused: "is not a URL that begins with http:// or https://" };
    }
    case "time":
      return readTime(text);
    case "moment":
      return parseDuration(text) === undefined ? readMoment(text) : { value: text };
    case "count":
      return /^\d{1,9}$/.test(text) ? within(spec, Number(text), Number, String) : { refused: `${quoted(text)} is not a whole number` };
    case "rate":
      return readRate(spec, text);
  }
}

/** The same for a value that others can see, in arguments or a file: it may not be, or hold, a secret. */
export function readOpenValue(spec: OptionSpec, text: string, directory?: string): ReadValue {
  if (spec.kind === "secret") return { refused: `is a secret, and ${NOT_HERE}` };
  const url = withoutLineEnd(text);
  if (spec.kind === "hook" && isHttpUrl(url) && namesMoreThanServer(new URL(url)))
    return {
      refused:
        "names more than a server, and whoever knows the rest may ping or post there: give the URL in a file (--heartbeat-file, --notify-file), or as an environment variable (ETCDSAFE_HEARTBEAT, ETCDSAFE_NOTIFY)",
    };
  if (spec.passwordAfterColon && text.includes(":")) return { refused: `looks like NAME:PASSWORD, and ${NOT_HERE}` };
  return readValue(spec, text, directory);
}

function withoutLineEnd(text: string): string {
  return text.replace(/\r?\n$/, "");
}

const NOT_HERE = "secrets do not belong in arguments or configuration files, where others can read them: give --password-file FILE, or set ETCDSAFE_PASSWORD";

/** The values of an option that may be given more than once, each by itself; the first is its value. */
export function readSeveral(spec: OptionSpec, texts: readonly string[], directory?: string): ReadValue {
  const reads = texts.map((text) => readOpenValue(spec, text, directory));
  const refused = reads.find((read) => "refused" in read);
  if (refused !== undefined) return refused;
  const all = [...new Set(reads.flatMap((read) => ("value" in read ? String(read.value) : [])))];
  const [first] = all;
  if (first === undefined) return { refused: "names nothing" };
  return all.length === 1 ? { value: first } : { value: first, all };
}

/** The items of a list, blanks around them removed as etcdctl does. */
export function readList(spec: OptionSpec, items: readonly string[], directory?: string): ReadValue {
  const { paths } = spec;
  const given = items.map((item) => item.trim()).filter((item) => item !== "");
  const misplaced = given.map((item) => contentFault(spec, item)).find((fault) => fault !== undefined);
  if (misplaced !== undefined) return { refused: misplaced };
  const isPath = (item: string) => paths !== undefined && !isAbsolute(item) && paths.but?.test(item) !== true;
  const values = given.map((item) => (directory !== undefined && isPath(item) ? resolve(directory, item) : item));
  return values.length === 0 ? { refused: "names nothing" } : { value: values };
}

/** Go's `strconv.ParseBool`, which etcdctl reads its variables with. */
function readBoolean(text: string): ReadValue {
  if (/^(1|t|T|TRUE|true|True)$/.test(text)) return { value: true };
  if (/^(0|f|F|FALSE|false|False)$/.test(text)) return { value: false };
  return { refused: `${quoted(text)} is neither true nor false` };
}

function unlikePattern({ pattern }: OptionSpec, text: string): ReadValue | undefined {
  return pattern === undefined || pattern.regex.test(text) ? undefined : { refused: `${quoted(text)} is not ${pattern.is}` };
}

function readDuration(spec: OptionSpec, text: string): ReadValue {
  const value = parseDuration(text);
  if (value === undefined) return { refused: `${quoted(text)} is not a duration such as 30s, 5m or 1h30m` };
  return within(spec, value, parseDuration, formatDuration);
}

function readRate(spec: OptionSpec, text: string): ReadValue {
  const value = parseRate(text);
  if (value === undefined) return { refused: `${quoted(text)} is not a bandwidth such as 500 (KiB per second) or 10MiB` };
  return within(spec, value, parseRate, formatRate);
}

function within({ atLeast, atMost }: OptionSpec, value: number, parse: (text: string) => number | undefined, format: (value: number) => string): ReadValue {
  if (atLeast !== undefined && value < parse(atLeast)!) return { refused: `${format(value)} is less than ${atLeast}` };
  if (atMost !== undefined && value > parse(atMost)!) return { refused: `${format(value)} is more than ${atMost}` };
  return { value };
}

/** Of any kind; a blank in it is a slip. */
export function isHttpUrl(text: string): boolean {
  return URL.canParse(text) && /^https?:$/.test(new URL(text).protocol) && !/\s/.test(text);
}

/** Of nearly every service that is pinged or posted to, the path is the secret; which are none, nobody can tell by looking at them. */
function namesMoreThanServer({ href, origin }: URL): boolean {
  return href !== `${origin}/`;
}

/** Never repeated in a refusal: what is wrong with it may be a secret in it. */
function readUrl(text: string): ReadValue {
  const url = URL.canParse(text) ? new URL(text) : undefined;
  if (url === undefined || !/^https?:$/.test(url.protocol)) return { refused: "is not a URL that begins with http:// or https://" };
  if (url.username !== "" || url.password !== "") return { refused: "holds a user or a password, which a URL must not: it is printed and logged" };
  if (url.search !== "" || url.hash !== "") return { refused: "holds a query or a fragment, which the URL of a server does not have" };
  return { value: text };
}

/** RFC 3339 §5.6, with the lower case and blank that it allows. */
const TIME = /^\d{4}-\d\d-\d\d[Tt ]\d\d:\d\d:\d\d(\.\d+)?([Zz]|[+-]\d\d:\d\d)$/;

function readTime(text: string): ReadValue {
  const time = TIME.test(text) ? new Date(text.toUpperCase().replace(" ", "T")) : undefined;
  if (time === undefined || Number.isNaN(time.getTime()))
    return { refused: `${quoted(text)} is not a time such as 2026-11-21T07:00:00Z or 2026-11-21T08:00:00+01:00` };
  return { value: time.toISOString() };
}

function readMoment(text: string): ReadValue {
  const read = readTime(text);
  return "value" in read ? read : { refused: `${quoted(text)} is neither a time such as 2026-11-21T07:00:00Z nor a duration such as 12h or 30d` };
}

function quoted(text: string): string {
  return JSON.stringify(text);
}
