import { expect, test } from "vitest";
import { resolveOwner } from "../../src/restore/owner.ts";

test("owner: numbers and names of this host", async () => {
  expect(await resolveOwner("1001:1002")).toEqual({ uid: 1001, gid: 1002 });
  expect(await resolveOwner("4294967294:4294967294")).toEqual({ uid: 4_294_967_294, gid: 4_294_967_294 });
  expect(await resolveOwner("root")).toEqual({ uid: 0, gid: 0 });
});

test.each(["4294967295:5", "5:4294967295", "9999999999:5", "5:9999999999"])("owner: %s is beyond what the kernel has, or means no change", async (text) => {
  await expect(resolveOwner(text)).rejects.toMatchObject({ code: "USAGE", message: expect.stringMatching(/is beyond 4294967294, the last number/) });
});
