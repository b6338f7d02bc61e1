import { expect, test } from "vitest";
import type { OptionSpec } from "../../src/config/option.ts";
import { optionSpec } from "../../src/config/options.ts";
import { readOpenValue, readValue } from "../../src/config/value.ts";

const spec = (kind: OptionSpec["kind"], more: Partial<OptionSpec> = {}): OptionSpec => ({ kind, description: "", group: "etcd", commands: [], ...more });
const refusal = (of: OptionSpec, text: string) => {
  const read = readValue(of, text);
  return "refused" in read ? read.refused : `taken: ${read.value}`;
};

test.each(["1", "t", "T", "true", "TRUE", "True"])("value: %s is true, as for etcdctl", (text) => {
  expect(readValue(spec("boolean"), text)).toEqual({ value: true });
});

test.each(["0", "f", "F", "false", "FALSE", "False"])("value: %s is false, as for etcdctl", (text) => {
  expect(readValue(spec("boolean"), text)).toEqual({ value: false });
});

test("value: lists lose blanks and empty items", () => {
  expect(readValue(spec("list"), " a, b,,c ,")).toEqual({ value: ["a", "b", "c"] });
});

test.each<[OptionSpec, string, string]>([
  [spec("boolean"), "yes", '"yes" is neither true nor false'],
  [spec("string"), "", "is empty"],
  [optionSpec("textfile"), "etcdsafe.txt", '"etcdsafe.txt" is not a name that ends in .prom: node_exporter reads no other'],
  [spec("list"), " , ", "names nothing"],
  [spec("enum", { choices: ["a", "b"] }), "c", '"c" is none of a, b'],
  [spec("duration"), "10", '"10" is not a duration such as 30s, 5m or 1h30m'],
  [spec("duration", { atLeast: "1s" }), "900ms", "900ms is less than 1s"],
  [spec("duration", { atMost: "24d" }), "25d", "25d is more than 24d"],
  [spec("string", { pattern: { regex: /^a$/, is: "an a" } }), "b\n", '"b\\n" is not an a'],
  [spec("count"), "1.5", '"1.5" is not a whole number'],
  [spec("count", { atLeast: "2" }), "1", "1 is less than 2"],
  [spec("count", { atMost: "2" }), "3", "3 is more than 2"],
  [spec("rate"), "fast", '"fast" is not a bandwidth such as 500 (KiB per second) or 10MiB'],
  [spec("rate", { atLeast: "16KiB" }), "1KiB", "1KiB is less than 16KiB"],
  [spec("time"), "2026-11-21", '"2026-11-21" is not a time such as 2026-11-21T07:00:00Z or 2026-11-21T08:00:00+01:00'],
  [spec("time"), "2026-13-21T07:00:00Z", '"2026-13-21T07:00:00Z" is not a time such as 2026-11-21T07:00:00Z or 2026-11-21T08:00:00+01:00'],
  [spec("url"), "s3.example", "is not a URL that begins with http:// or https://"],
  [spec("url"), "https://key:hidden@s3.example", "holds a user or a password, which a URL must not: it is printed and logged"],
  [spec("url"), "https://s3.example?sig=hidden", "holds a query or a fragment, which the URL of a server does not have"],
  [spec("hook"), "hooks.example/x", "is not a URL that begins with http:// or https://"],
  [spec("hook"), "https://hooks.example/a b", "is not a URL that begins with http:// or https://"],
  ...["s3:/bucket/etcd", "s3:bucket", "bucket:etcd"].map((text): [OptionSpec, string, string] => [
    spec("location"),
    text,
    "is no URL, which has two slashes after its colon; a path that begins so is written ./NAME",
  ]),
  [spec("location"), "s3://key:hidden@bucket", "holds a user or a password, which a URL must not: it is printed and logged"],
])("value: is refused and why (%#)", (of, text, expected) => {
  expect(refusal(of, text)).toBe(expected);
});

test("value: relative paths start from the file that names them, if there is one", () => {
  expect(readValue(spec("path"), "a/b")).toEqual({ value: "a/b" });
  expect(readValue(spec("path"), "a/b", "/etc")).toEqual({ value: "/etc/a/b" });
  expect(readValue(spec("path"), "/a", "/etc")).toEqual({ value: "/a" });
  expect(readValue(spec("path"), "-", "/etc")).toEqual({ value: "-" });
  expect(readValue(spec("location"), "../backup", "/etc/x")).toEqual({ value: "/etc/backup" });
  expect(readValue(spec("location"), "./s3:/x", "/etc")).toEqual({ value: "/etc/s3:/x" });
  expect(readValue(spec("location"), "file:///a", "/etc")).toEqual({ value: "file:///a" });
});

test("value: where others can read it, a secret is refused without being repeated", () => {
  for (const read of [readOpenValue(optionSpec("password"), "hidden"), readOpenValue(optionSpec("user"), "root:hidden")]) {
    expect(read).toHaveProperty("refused", expect.stringContaining("--password-file"));
    expect(JSON.stringify(read)).not.toContain("hidden");
  }
  expect(readValue(optionSpec("user"), "root:hidden")).toEqual({ value: "root:hidden" });
});

test("value: a time is read with its offset, and becomes UTC", () => {
  expect(readValue(spec("time"), "2026-11-21T08:00:00+01:00")).toEqual({ value: "2026-11-21T07:00:00.000Z" });
  expect(readValue(spec("time"), "2026-11-21t07:00:00.25z")).toEqual({ value: "2026-11-21T07:00:00.250Z" });
});

test.each([
  "https://hooks.example/services/T00000000/B00000000/abcdefghijklmnopqrstuvw9",
  "https://hc.example/6a9f5c3e-2f1d-4c55-9f8a-0123456789ab",
  "https://kuma.example/api/push/hiddenkey",
  "https://mattermost.example/hooks/xxxhiddenkeyxxx",
  "http://127.0.0.1:8080/hidden",
  "https://hooks.example/?token=hidden",
  "https://hooks.example/#hidden",
  "https://hidden@hooks.example/",
])("value: a URL that names more than a server is taken only where nobody else sees it (%#)", (url) => {
  expect(readValue(spec("hook"), url)).toEqual({ value: url });
  expect(readValue(spec("hook"), `${url}\n`)).toEqual({ value: url });
  expect(readOpenValue(spec("hook"), `${url}\n`)).toHaveProperty("refused");
  const open = readOpenValue(spec("hook"), url);
  expect(open).toEqual({ refused: expect.stringMatching(/^names more than a server, .*--heartbeat-file, --notify-file.*ETCDSAFE_HEARTBEAT, ETCDSAFE_NOTIFY/) });
  expect(JSON.stringify(open)).not.toMatch(/hidden|abcdefgh|6a9f5c3e/);
});

test("value: the URL of a mere server may be typed", () => {
  for (const url of ["http://relay.monitoring.svc:8080", "https://hooks.example/"]) expect(readOpenValue(spec("hook"), url)).toEqual({ value: url });
});
