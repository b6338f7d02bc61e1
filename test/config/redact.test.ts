import { expect, test } from "vitest";
import { shownValue } from "../../src/config/redact.ts";

test("redaction: secrets never show", () => {
  expect(shownValue("password", "hidden")).toBe("(redacted)");
  expect(shownValue("user", "root:hid:den")).toBe("root:(redacted)");
  expect(shownValue("repository", "azblob://a:hidden@account/c?sig=hidden&sp=hidden")).toBe("azblob://(redacted)@account/c?sig=(redacted)&sp=(redacted)");
  expect(shownValue("endpoints", ["http://a:hidden@h:2379", "http://b:2379"])).toBe("http://(redacted)@h:2379,http://b:2379");
});

test.each([
  ["https://hooks.example/services/T0/B0/hidden", "https://hooks.example/(redacted)"],
  ["http://127.0.0.1:8080", "http://127.0.0.1:8080/(redacted)"],
  ["https://hooks.example?token=hidden", "https://hooks.example/(redacted)"],
  ["https://hidden:hidden@hooks.example/x", "(redacted)"],
  ["hidden", "(redacted)"],
])("redaction: of a URL that is a secret, only where it leads (%#)", (url, shown) => {
  expect(shownValue("notify", url)).toBe(shown);
});

test("redaction: everything else shows as a user would write it", () => {
  expect(shownValue("user", "root")).toBe("root");
  expect(shownValue("password-file", "/etc/pw")).toBe("/etc/pw");
  expect(shownValue("stall-limit", 90_000)).toBe("1m30s");
  expect(shownValue("no-spool", true)).toBe("true");
  expect(shownValue("storage-tries", 6)).toBe("6");
  expect(shownValue("limit-upload", 10 * 1024 * 1024)).toBe("10MiB");
  expect(shownValue("s3-sse-key-file", "/etc/key")).toBe("/etc/key");
  expect(shownValue("repository", "/a@b?c=d")).toBe("/a@b?c=d");
});
