import { expect, test } from "vitest";
import { createMetrics } from "../../src/metrics/metrics.ts";
import type { RunFacts } from "../../src/metrics/run-facts.ts";
import { failedRun, minute, minuteSeconds, savedFacts, saveRun, verifiedFacts, verifyRun } from "./run-facts.ts";
import { seriesOf } from "./series.ts";

async function said(...runs: readonly RunFacts[]): Promise<Record<string, string>> {
  const metrics = createMetrics("1.2.3");
  for (const run of runs) metrics.record(run);
  return seriesOf(await metrics.text());
}

test("metrics: nothing is said before the first run", async () => {
  expect(await createMetrics("1.2.3").text()).toBe("");
});

test("metrics: a save tells when it ran, what it stored, and what that took", async () => {
  expect(await said(saveRun())).toEqual({
    'etcdsafe_build_info{action="save",cluster="prod",version="1.2.3"}': "1",
    'etcdsafe_last_attempt_timestamp_seconds{action="save",cluster="prod"}': minuteSeconds(0),
    'etcdsafe_last_success_timestamp_seconds{action="save",cluster="prod"}': minuteSeconds(2),
    'etcdsafe_last_success_duration_seconds{action="save",cluster="prod"}': "120",
    'etcdsafe_last_success_phase_duration_seconds{action="save",cluster="prod",phase="stream"}': "3.5",
    'etcdsafe_last_success_phase_duration_seconds{action="save",cluster="prod",phase="check"}': "1.25",
    'etcdsafe_last_success_phase_duration_seconds{action="save",cluster="prod",phase="upload"}': "7",
    'etcdsafe_last_success_moved_bytes{action="save",cluster="prod",direction="written",store="s3"}': "1000100",
    'etcdsafe_last_backup_timestamp_seconds{cluster="prod"}': minuteSeconds(1),
    'etcdsafe_recovery_point_timestamp_seconds{cluster="prod"}': minuteSeconds(1),
    'etcdsafe_last_backup_state{cluster="prod",state="proven"}': "1",
    'etcdsafe_last_backup_state{cluster="prod",state="unconfirmed"}': "0",
    'etcdsafe_last_backup_state{cluster="prod",state="suspect"}': "0",
    'etcdsafe_last_backup_state{cluster="prod",state="partial"}': "0",
    'etcdsafe_last_backup_raw_size_bytes{cluster="prod"}': "4000000",
    'etcdsafe_last_backup_stored_size_bytes{cluster="prod"}': "1000000",
    'etcdsafe_last_backup_members{answer="agreed",cluster="prod"}': "2",
    'etcdsafe_last_backup_members{answer="disagreed",cluster="prod"}': "0",
    'etcdsafe_last_backup_members{answer="not-comparable",cluster="prod"}': "1",
    'etcdsafe_last_backup_members{answer="unreachable",cluster="prod"}': "0",
    'etcdsafe_repository_backups{cluster="prod",store="s3"}': "12",
    'etcdsafe_repository_size_bytes{cluster="prod",store="s3"}': "12000000",
  });
});

test("metrics: a save sets nothing that tells of a verification, and leaves what one told as it is", async () => {
  const verified = (series: Record<string, string>) => Object.entries(series).filter(([key]) => /^\w*verif/.test(key));
  expect(verified(await said(saveRun()))).toEqual([]);
  const before = verified(await said(verifyRun()));
  expect(before).toHaveLength(8);
  const later = saveRun({ startedAt: minute(60), finishedAt: minute(62), saved: savedFacts({ createdAt: minute(61) }) });
  expect(verified(await said(verifyRun(), later))).toEqual(before);
});

test("metrics: a save that read its backup back tells of that verification as any other run would", async () => {
  expect(await said(saveRun({ verified: [verifiedFacts({ level: "hash" })] }))).toMatchObject({
    'etcdsafe_last_success_timestamp_seconds{action="save",cluster="prod"}': minuteSeconds(2),
    'etcdsafe_last_verified_timestamp_seconds{cluster="prod",level="hash"}': minuteSeconds(4),
    'etcdsafe_verified_backup_timestamp_seconds{cluster="prod",level="hash"}': minuteSeconds(1),
  });
});

test("metrics: a verification of several backups vouches for the newest that is good; a bad one counts, and moves no time", async () => {
  const many = [
    verifiedFacts({ createdAt: minute(-60), finishedAt: minute(3.5) }),
    verifiedFacts({ createdAt: minute(-30), finishedAt: minute(4) }),
    verifiedFacts({ createdAt: minute(1), finishedAt: minute(4.5), outcome: "failed" }),
    verifiedFacts({ cluster: "stage", level: "stored-bytes", createdAt: minute(2), finishedAt: minute(5) }),
  ];
  const series = await said(verifyRun(many, { clusters: ["prod", "stage"], failure: "corrupt" }));
  expect(series).toMatchObject({
    'etcdsafe_last_verified_timestamp_seconds{cluster="prod",level="structure"}': minuteSeconds(4),
    'etcdsafe_verified_backup_timestamp_seconds{cluster="prod",level="structure"}': minuteSeconds(-30),
    'etcdsafe_last_verification_backups{cluster="prod",level="structure",outcome="passed"}': "2",
    'etcdsafe_last_verification_backups{cluster="prod",level="structure",outcome="failed"}': "1",
    'etcdsafe_last_verified_timestamp_seconds{cluster="stage",level="stored-bytes"}': minuteSeconds(5),
    'etcdsafe_verified_backup_timestamp_seconds{cluster="stage",level="stored-bytes"}': minuteSeconds(2),
    'etcdsafe_last_failure_timestamp_seconds{action="verify",cluster="stage",reason="corrupt"}': minuteSeconds(5),
  });
  const onlyBad = await said(verifyRun(), verifyRun([verifiedFacts({ finishedAt: minute(64), outcome: "failed" })], { failure: "corrupt" }));
  expect(onlyBad).toMatchObject({
    'etcdsafe_last_verified_timestamp_seconds{cluster="prod",level="structure"}': minuteSeconds(4),
    'etcdsafe_last_verification_backups{cluster="prod",level="structure",outcome="passed"}': "0",
    'etcdsafe_last_verification_backups{cluster="prod",level="structure",outcome="failed"}': "1",
  });
});

test("metrics: each level has a time of its own, whatever a later run reads less deeply", async () => {
  const later = verifyRun([verifiedFacts({ level: "stored-bytes", createdAt: minute(60), finishedAt: minute(64) })]);
  expect(await said(verifyRun(), later)).toMatchObject({
    'etcdsafe_last_verified_timestamp_seconds{cluster="prod",level="structure"}': minuteSeconds(4),
    'etcdsafe_verified_backup_timestamp_seconds{cluster="prod",level="structure"}': minuteSeconds(1),
    'etcdsafe_last_verified_timestamp_seconds{cluster="prod",level="stored-bytes"}': minuteSeconds(64),
    'etcdsafe_verified_backup_timestamp_seconds{cluster="prod",level="stored-bytes"}': minuteSeconds(60),
  });
});

const counts = (series: Record<string, string>) =>
  Object.entries(series).flatMap(([key, value]) => {
    const [, level, outcome] = /^etcdsafe_last_verification_backups\{cluster="prod",level="([\w-]+)",outcome="(\w+)"\}$/.exec(key) ?? [];
    return outcome === "failed" ? [`${level} ${value}`] : [];
  });
const damaged = verifiedFacts({ outcome: "failed" });

test("metrics: that backups are damaged is taken back only by who looks at all, and can read it, at least as deep", async () => {
  const look = verifyRun([verifiedFacts(), damaged], { failure: "corrupt" });
  const found = ["stored-bytes 1", "hash 1", "structure 1"];
  expect(counts(await said(look))).toEqual(found);
  const others: Readonly<Record<string, RunFacts>> = {
    "a save that reads its own back": saveRun({ verified: [verifiedFacts()] }),
    "one that somebody names": verifyRun([verifiedFacts()], { looks: [] }),
    "a look at another cluster": verifyRun([verifiedFacts({ cluster: "stage" })], { clusters: ["stage"] }),
    "a save alone": saveRun(),
  };
  for (const [who, run] of Object.entries(others)) expect([who, ...counts(await said(look, run))]).toEqual([who, ...found]);
  const shallower = verifyRun([verifiedFacts({ level: "hash" })]);
  expect(counts(await said(look, shallower))).toEqual(["stored-bytes 0", "hash 0", "structure 1"]);
  expect(counts(await said(look, verifyRun()))).toEqual(["stored-bytes 0", "hash 0", "structure 0"]);
  // Of an agent, when nothing is on record as damaged, and nothing due.
  expect(counts(await said(look, verifyRun([], { looks: [{ cluster: "prod", level: "structure" }] })))).toEqual(["stored-bytes 0", "hash 0", "structure 0"]);
});

test("metrics: that a backup is damaged says whoever finds it", async () => {
  const found = verifiedFacts({ level: "hash", outcome: "failed" });
  for (const run of [saveRun({ verified: [found] }), verifyRun([found], { looks: [], failure: "corrupt" })])
    expect(counts(await said(verifyRun(), run))).toEqual(["stored-bytes 1", "hash 1", "structure 0"]);
  // What no look has counted is not counted as none.
  expect(await said(verifyRun([verifiedFacts()], { looks: [] }))).not.toHaveProperty([
    'etcdsafe_last_verification_backups{cluster="prod",level="structure",outcome="failed"}',
  ]);
});

test("metrics: what is on record as damaged stays until a run finds it gone, whatever a look counts", async () => {
  const onRecord = async (...facts: readonly RunFacts[]) => (await said(...facts))['etcdsafe_repository_damaged_backups{cluster="prod"}'];
  const sunday = verifyRun([damaged], { failure: "corrupt", damaged: [{ cluster: "prod", backups: 1 }] });
  const monday = verifyRun([verifiedFacts()], { damaged: [{ cluster: "prod", backups: 1 }] });
  expect(await onRecord(sunday, saveRun(), verifyRun())).toBe("1");
  expect(await onRecord(sunday, monday)).toBe("1");
  expect(await onRecord(sunday, monday, verifyRun([verifiedFacts()], { damaged: [{ cluster: "prod", backups: 0 }] }))).toBe("0");
});

test("metrics: an agent on standby counts nothing, and tells what is on record as damaged", async () => {
  const metrics = createMetrics("1.2.3");
  metrics.record(verifyRun([damaged]));
  const agent = { cluster: "prod", nextRuns: { save: null, verify: null, prune: null }, recoveryWindow: null, readAt: new Date(0), certificates: [] };
  metrics.recordAgent({ ...agent, role: "writer", damagedBackups: 1 });
  expect(counts(seriesOf(await metrics.text()))).toEqual(["stored-bytes 1", "hash 1", "structure 1"]);
  metrics.recordAgent({ ...agent, role: "standby", damagedBackups: 1 });
  const series = seriesOf(await metrics.text());
  expect([counts(series), series['etcdsafe_repository_damaged_backups{cluster="prod"}']]).toEqual([[], "1"]);
  metrics.recordAgent({ ...agent, role: "standby", damagedBackups: null });
  expect(seriesOf(await metrics.text())).not.toHaveProperty(['etcdsafe_repository_damaged_backups{cluster="prod"}']);
});

test("metrics: where an agent sees that nothing can be rebuilt any more, there is no recovery point; where it sees nothing, there is the one of its save", async () => {
  const metrics = createMetrics("1.2.3");
  metrics.record(saveRun());
  const agent = {
    cluster: "prod",
    role: "writer",
    nextRuns: { save: null, verify: null, prune: null },
    readAt: new Date(0),
    damagedBackups: null,
    certificates: [],
  } as const;
  const pointOf = async () => seriesOf(await metrics.text())['etcdsafe_recovery_point_timestamp_seconds{cluster="prod"}'];
  metrics.recordAgent({ ...agent, recoveryWindow: undefined });
  expect(await pointOf()).toBe(minuteSeconds(1));
  metrics.recordAgent({ ...agent, recoveryWindow: null });
  expect(await pointOf()).toBeUndefined();
});

test("metrics: a backup that was found damaged right after its save is no recovery point", async () => {
  const later = saveRun({ saved: savedFacts({ createdAt: minute(61), isDamaged: true }), failure: "corrupt" });
  expect(await said(saveRun(), later)).toMatchObject({
    'etcdsafe_last_backup_timestamp_seconds{cluster="prod"}': minuteSeconds(61),
    'etcdsafe_recovery_point_timestamp_seconds{cluster="prod"}': minuteSeconds(1),
  });
});

test("metrics: a save that pruned is a run of prune as well, with an end of its own", async () => {
  const refused = saveRun({ failure: "partly-done", pruned: { failure: "refused" } });
  expect(await said(refused)).toMatchObject({
    'etcdsafe_last_failure_timestamp_seconds{action="save",cluster="prod",reason="partly-done"}': minuteSeconds(2),
    'etcdsafe_last_attempt_timestamp_seconds{action="prune",cluster="prod"}': minuteSeconds(0),
    'etcdsafe_last_failure_timestamp_seconds{action="prune",cluster="prod",reason="refused"}': minuteSeconds(2),
  });
  expect(await said(saveRun({ pruned: { failure: null } }))).toHaveProperty(
    ['etcdsafe_last_success_timestamp_seconds{action="prune",cluster="prod"}'],
    minuteSeconds(2),
  );
  expect(Object.keys(await said(saveRun())).filter((key) => key.includes("prune"))).toEqual([]);
});

test("metrics: a failure keeps the last success and what it took, and each reason its own time", async () => {
  const later = failedRun({ startedAt: minute(120), finishedAt: minute(121), failure: "locked" });
  expect(await said(saveRun(), failedRun(), later)).toEqual({
    ...(await said(saveRun())),
    'etcdsafe_last_attempt_timestamp_seconds{action="save",cluster="prod"}': minuteSeconds(120),
    'etcdsafe_last_failure_timestamp_seconds{action="save",cluster="prod",reason="etcd-unreachable"}': minuteSeconds(61),
    'etcdsafe_last_failure_timestamp_seconds{action="save",cluster="prod",reason="locked"}': minuteSeconds(121),
  });
});

test("metrics: a backup that is suspect or partial is no recovery point, and is told with its state", async () => {
  for (const state of ["suspect", "partial"] as const) {
    const later = saveRun({ saved: savedFacts({ state, createdAt: minute(61) }) });
    expect(await said(saveRun(), later)).toMatchObject({
      'etcdsafe_last_backup_timestamp_seconds{cluster="prod"}': minuteSeconds(61),
      'etcdsafe_recovery_point_timestamp_seconds{cluster="prod"}': minuteSeconds(1),
      [`etcdsafe_last_backup_state{cluster="prod",state="${state}"}`]: "1",
      'etcdsafe_last_backup_state{cluster="prod",state="proven"}': "0",
    });
  }
  const unconfirmed = await said(saveRun({ saved: savedFacts({ state: "unconfirmed" }) }));
  expect(unconfirmed).toHaveProperty(['etcdsafe_recovery_point_timestamp_seconds{cluster="prod"}'], minuteSeconds(1));
});

test("metrics: a process that goes on says the last of each, and no phase or store of a run before it", async () => {
  const second = saveRun({ phases: new Map([["stream", 5]]), moved: [{ store: "file", direction: "written", sizeBytes: 9 }] });
  const series = await said(saveRun(), second);
  expect(Object.entries(series).filter(([key]) => /phase|moved/.test(key))).toEqual([
    ['etcdsafe_last_success_phase_duration_seconds{action="save",cluster="prod",phase="stream"}', "5"],
    ['etcdsafe_last_success_moved_bytes{action="save",cluster="prod",direction="written",store="file"}', "9"],
  ]);
});

test("metrics: of several clusters each has its times, and what they took together is of none", async () => {
  const series = await said(verifyRun([], { clusters: ["prod", "stage"] }));
  expect(series).toEqual({
    'etcdsafe_build_info{action="verify",cluster="prod",version="1.2.3"}': "1",
    'etcdsafe_build_info{action="verify",cluster="stage",version="1.2.3"}': "1",
    'etcdsafe_last_attempt_timestamp_seconds{action="verify",cluster="prod"}': minuteSeconds(3),
    'etcdsafe_last_attempt_timestamp_seconds{action="verify",cluster="stage"}': minuteSeconds(3),
    'etcdsafe_last_success_timestamp_seconds{action="verify",cluster="prod"}': minuteSeconds(5),
    'etcdsafe_last_success_timestamp_seconds{action="verify",cluster="stage"}': minuteSeconds(5),
    'etcdsafe_last_success_duration_seconds{action="verify"}': "120",
    'etcdsafe_last_success_phase_duration_seconds{action="verify",phase="read"}': "90",
    'etcdsafe_last_success_moved_bytes{action="verify",direction="read",store="s3"}': "1000000",
  });
});

test("metrics: an agent tells when it last read its repository, also while it cannot any more", async () => {
  const metrics = createMetrics("1.2.3");
  const nothing = { nextRuns: { save: null, verify: null, prune: null }, recoveryWindow: null, damagedBackups: null, certificates: [] };
  const agent = { cluster: "prod", role: "standby", ...nothing } as const;
  const name = 'etcdsafe_repository_read_timestamp_seconds{cluster="prod"}';
  for (let scrape = 0; scrape < 2; scrape++) {
    metrics.recordAgent({ ...agent, readAt: new Date("2026-11-22T08:00:00.000Z") });
    expect(seriesOf(await metrics.text())[name]).toBe("1795334400");
  }
});

test("metrics: of several clusters each has its own end", async () => {
  const ends = [
    { cluster: "prod", failure: null },
    { cluster: "stage", failure: "cannot-decrypt" },
  ] as const;
  const series = await said(verifyRun([], { clusters: ends, failure: "partly-done" }));
  expect(Object.keys(series).filter((key) => /success|failure/.test(key))).toEqual([
    'etcdsafe_last_success_timestamp_seconds{action="verify",cluster="prod"}',
    'etcdsafe_last_failure_timestamp_seconds{action="verify",cluster="stage",reason="cannot-decrypt"}',
  ]);
});

test("metrics: a run that ended before its cluster was known is told without one", async () => {
  expect(await said(failedRun({ clusters: [], failure: "usage" }))).toEqual({
    'etcdsafe_build_info{action="save",version="1.2.3"}': "1",
    'etcdsafe_last_attempt_timestamp_seconds{action="save"}': minuteSeconds(60),
    'etcdsafe_last_failure_timestamp_seconds{action="save",reason="usage"}': minuteSeconds(61),
  });
});

test("metrics: repositories on the same kind of store are counted together", async () => {
  const repositories = [
    { store: "s3", cluster: "prod", backups: 12, sizeBytes: 100 },
    { store: "s3", cluster: "prod", backups: 3, sizeBytes: 20 },
    { store: "file", cluster: "prod", backups: 1, sizeBytes: 5 },
  ];
  expect(await said(saveRun({ repositories }))).toMatchObject({
    'etcdsafe_repository_backups{cluster="prod",store="s3"}': "15",
    'etcdsafe_repository_size_bytes{cluster="prod",store="s3"}': "120",
    'etcdsafe_repository_backups{cluster="prod",store="file"}': "1",
  });
});
