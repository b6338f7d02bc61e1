import { readFileSync } from "node:fs";
import fc from "fast-check";
import { expect, test } from "vitest";
import { EtcdsafeError } from "../../../src/errors.ts";
import { parsePeerUrl } from "../../../src/etcd-files/membership/peer-url.ts";
import { runs, SEED } from "../../support/counts.ts";

interface UrlRow {
  readonly input: string;
  readonly stored: string | null;
}

const rows: UrlRow[] = readFileSync(new URL("../../golden/restore/peer-urls.jsonl", import.meta.url), "utf8")
  .trim()
  .split("\n")
  .map((line) => JSON.parse(line));

/** What etcd stores although nothing could ever dial it. */
const REFUSED_THOUGH_ETCD_TAKES_THEM = [
  "http://h:",
  "http://:2380",
  "http://h:99999",
  "http://h:2380?q=1",
  "http://h:2380#f",
  "http://u@h:2380",
  "http://u:p@h:2380",
  "unix:",
  "unix://",
];

test.each(rows)("peer URLs: $input becomes $stored, as in etcd", ({ input, stored }) => {
  if (stored === null || REFUSED_THOUGH_ETCD_TAKES_THEM.includes(input)) {
    expect(() => parsePeerUrl(input, "m1")).toThrow(expect.objectContaining({ code: "MEMBERS_INVALID" }));
  } else {
    expect(parsePeerUrl(input, "m1")).toBe(stored);
    expect(parsePeerUrl(stored, "m1")).toBe(stored);
  }
});

test.each([
  ["http://h:2380/", 'm1: the peer URL "http://h:2380/" must not have a path, not even a trailing slash: leave out "/"'],
  ["h:2380", 'm1: the peer URL "h:2380" has the scheme h: it must be http, https, unix or unixs'],
  ["10.0.0.1:2380", 'm1: the peer URL "10.0.0.1:2380" has no scheme: it must start with http://, https://, unix:// or unixs://'],
  ["http://h", 'm1: the peer URL "http://h" must name host and port, as in http://10.0.0.1:2380'],
  ["http://::1:2380", 'm1: the peer URL "http://::1:2380" must have brackets around an IPv6 address, as in http://[::1]:2380'],
  ["http://h:70000", 'm1: the peer URL "http://h:70000" has the port 70000, beyond 65535'],
  ["http://h:http", 'm1: the peer URL "http://h:http" has an address that is not host:port with a number for the port'],
  ["http://a b:1", 'm1: the peer URL "http://a b:1" has the character " " in its host'],
  ["http://h%41:1", 'm1: the peer URL "http://h%41:1" has %41 in its host'],
  ["http://h%4:1", 'm1: the peer URL "http://h%4:1" has a percent sign that is not followed by two hexadecimal digits'],
  ["http://[::g]:1", 'm1: the peer URL "http://[::g]:1" has no IPv6 address between its brackets'],
  ["http://h:1?x", 'm1: the peer URL "http://h:1?x" must not have a query or a fragment'],
])("peer URLs: %s is refused with what is wrong about it", (url, message) => {
  expect(() => parsePeerUrl(url, "m1")).toThrow(message);
});

test("peer URLs: a password in one is not repeated in the message", () => {
  expect(() => parsePeerUrl("http://root:secret@h:2380", "m1")).toThrow('m1: the peer URL "http://…@h:2380" must not hold a user name or password');
});

test("peer URLs: any text is refused with MEMBERS_INVALID or stored in a form that is stored as it is", () => {
  const piece = fc.oneof(
    fc.constantFrom("http", "unix", "://", ":", "/", "[", "]", "%", "%25", "@", "[::1]", "2380"),
    fc.nat(0x10ffff).map((point) => String.fromCodePoint(point)),
  );
  const text = fc
    .tuple(fc.constantFrom("http://", "https://", "unix://", "unixs:", ""), fc.array(piece, { maxLength: 6 }))
    .map(([start, rest]) => start + rest.join(""));
  fc.assert(
    fc.property(text, (url) => {
      let stored: string;
      try {
        stored = parsePeerUrl(url, "m1");
      } catch (error) {
        expect(error).toBeInstanceOf(EtcdsafeError);
        return;
      }
      expect(parsePeerUrl(stored, "m1")).toBe(stored);
    }),
    { seed: SEED, numRuns: runs(1000, 100_000) },
  );
});
