import { expect, test } from "vitest";
import { lockHolder } from "../../src/inspect/database-use.ts";

const LOCKS = `1: OFDLCK ADVISORY  WRITE -1 fe:00:9979063 0 EOF
2: FLOCK  ADVISORY  WRITE 23980 fe:00:9979056 0 EOF
2: -> FLOCK  ADVISORY  WRITE 24000 fe:00:77 0 EOF
3: FLOCK  ADVISORY  WRITE 0 00:2f:4242 0 EOF
4: FLOCK  ADVISORY  READ  55 fe:00:88 0 EOF
5: POSIX  ADVISORY  WRITE 3548 08:01:99 0 EOF
`;

test("the holder of bbolt's lock is found by the file's inode", () => {
  expect(lockHolder(LOCKS, 9979056n)).toEqual({ locked: true, processId: 23980 });
});

test("the holder in another container is not named", () => {
  expect(lockHolder(LOCKS, 4242n)).toEqual({ locked: true, processId: null });
});

test("locks of other kinds, waiters and other files do not count", () => {
  for (const inode of [9979063n, 77n, 88n, 99n, 9056n]) expect(lockHolder(LOCKS, inode)).toEqual({ locked: false, processId: null });
});
