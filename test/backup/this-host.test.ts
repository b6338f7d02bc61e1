// Which hosts are this one, also where nobody may ask for its addresses.
import { hostname, networkInterfaces } from "node:os";
import { fileURLToPath } from "node:url";
import { expect, test } from "vitest";
import { isThisHost } from "../../src/backup/this-host.ts";
import { NODE } from "../support/cli.ts";
import { outputOf } from "../support/command.ts";

const ELSEWHERE = "192.0.2.1"; // RFC 5737: no host has it.

test("this host is known by its name and by each of its addresses", () => {
  const addresses = Object.values(networkInterfaces()).flatMap((each) => each!.map(({ address }) => address));
  for (const host of ["localhost", "127.0.0.1", "::1", hostname(), ...addresses]) expect(isThisHost(host), host).toBe(true);
  for (const host of [ELSEWHERE, "etcd-1.example.org"]) expect(isThisHost(host), host).toBe(false);
});

test("where its addresses cannot be listed, as in a sandbox, no address but the loopback's is this host's, and nothing fails", async () => {
  // What lists them needs a socket: with no descriptor left it is refused as by a sandbox.
  const program = `
    import { openSync } from "node:fs";
    import { networkInterfaces } from "node:os";
    import { isThisHost } from ${JSON.stringify(fileURLToPath(new URL("../../src/backup/this-host.ts", import.meta.url)))};
    const answers = () => [isThisHost("127.0.0.1"), isThisHost("${ELSEWHERE}")];
    answers(); // With all that is loaded late.
    try {
      for (;;) openSync("/dev/null");
    } catch {}
    let isListed = true;
    try {
      networkInterfaces();
    } catch {
      isListed = false;
    }
    process.stdout.write(JSON.stringify([isListed, ...answers()]));
  `;
  const told = await outputOf("sh", ["-c", 'ulimit -n 64; exec "$0" --input-type=module --eval "$1"', NODE, program]);
  expect(JSON.parse(told)).toEqual([false, true, false]);
});
