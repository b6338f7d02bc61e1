// A member that was killed: what it acknowledged last is in its log alone, and a restore of its database must not lose that without a word.
import { join } from "node:path";
import { expect, test } from "vitest";
import { runCli } from "../support/cli.ts";
import { startCluster } from "../support/etcd.ts";
import { putMany, readAll } from "../support/etcd-data.ts";
import { expectFailure } from "../support/failures.ts";
import { MINORS_AT_HAND } from "../support/minors.ts";

const PUTS = 40;

test.each([MINORS_AT_HAND[0]!, MINORS_AT_HAND.at(-1)!])(
  "etcd %s, killed before it wrote its database: a restore of that is refused until the member was started, or --ignore-wal is given",
  async (minor) => {
    // The database is written when etcd stops, and not before.
    await using cluster = await startCluster({ minor, extraArgs: ["--backend-batch-interval", "1h"] });
    const member = cluster.members[0]!;
    const database = join(member.dataDir, "member/snap/db");
    const [here, to] = [cluster.directory, join(cluster.directory, "restored")];
    const restore = (...flags: readonly string[]) => runCli(["restore", database, "--data-dir", to, "--skip-hash-check", "--copy", ...flags], { cwd: here });
    const client = await cluster.client();
    const rows = Array.from({ length: PUTS }, (_, index) => ({ key: `key-${index}`, value: "v" }));
    await putMany(client, rows);
    expectFailure("ETCD_MAY_BE_ALIVE", await restore("--ignore-wal"), { message: /snap\/db is open for writing in process \d+/, hint: /`etcdsafe save`/ });
    await member.kill();

    const inspected = JSON.parse((await runCli(["inspect", member.dataDir, "-o", "json"])).stdout);
    const unapplied = Number(inspected.dataDirectory.unappliedEntries);
    expect(unapplied).toBeGreaterThanOrEqual(PUTS);
    const ignored = await restore("--ignore-wal", "--plan", "-o", "json");
    expect(ignored.exitCode, ignored.stderr).toBe(0);
    const { walBeside: behind, warnings, loss, revision } = JSON.parse(ignored.stdout).plan;
    const missing: number = behind.missingEntries;
    expect(missing).toBeGreaterThanOrEqual(PUTS);
    expect(missing).toBeLessThanOrEqual(unapplied);
    expect(loss).toMatchObject({ newest: { where: behind.directory }, revisions: String(missing), upperBound: true });
    expect(BigInt(revision.after)).toBe(BigInt(revision.before) + BigInt(missing) + 1_000_000_000n);
    expect(warnings.join("\n")).toContain(`holds ${missing} more entries, which are lost (--ignore-wal)`);
    for (const flags of [[], ["--plan"]]) {
      expectFailure("WAL_NOT_APPLIED", await restore(...flags), {
        message: new RegExp(`but the log beside it, .*/member/wal, goes on to entry \\d+: ${missing} entries would be lost$`),
        hint: /^Start the member with its own data directory and save from it; or give --ignore-wal/,
      });
    }

    await member.start();
    expect(await readAll(client)).toHaveLength(PUTS);
    await member.stop();
    const planned = await restore("--plan", "-o", "json");
    expect(planned.exitCode, planned.stderr).toBe(0);
    const { walBeside, source } = JSON.parse(planned.stdout).plan;
    expect(walBeside.missingEntries).toBe(0);
    expect(Number(source.revision)).toBe(PUTS + 1);
  },
);
