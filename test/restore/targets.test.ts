// What a restore finds in its targets, and what it makes of that: refusals, what is kept and under which names, owners, room.
import { chmod, chown, mkdir, rm, symlink, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { expect, test } from "vitest";
import { planAccess, requirePermittedAccess } from "../../src/restore/access.ts";
import { planFileSystems, requireSpace } from "../../src/restore/free-space.ts";
import { planRestore, type RestorePlan } from "../../src/restore/plan.ts";
import { leftoversIn, planTarget, requireTarget, targetWarnings } from "../../src/restore/replace.ts";
import { keptNames } from "../../src/restore/target-entries.ts";
import { type TargetFacts, targetFacts } from "../../src/restore/target-facts.ts";
import { planTargets, requireTargets, requireUnchanged } from "../../src/restore/targets.ts";
import { restoreRequest, snapshotFacts } from "../support/restore-request.ts";
import { buildSnapshot } from "../support/snapshots.ts";
import { temporaryDirectory } from "../support/temporary-directory.ts";

const ROOT = { uid: 0, gid: 0, groups: [0] };
const AT = new Date("2026-11-21T07:05:09.123Z");
const WAL_NAME = "0000000000000000-0000000000000000.wal";
const asked = { replace: true, owner: null, user: ROOT, at: AT };

const SOURCE = snapshotFacts({ location: "etcd.db", revision: "7", databaseSha256: null, storageVersion: null, clusterVersion: null });

function planOf(dataDir: string): RestorePlan {
  const targets = [{ name: "m", dataDir }];
  return planRestore(
    restoreRequest({ source: SOURCE, cluster: [{ name: "m", peerUrls: ["http://127.0.0.1:2380"] }], targets, stageId: "s", plannedAt: AT.toISOString() }),
  );
}

/** A target as it would be with these entries; nothing of it exists. */
function target(names: readonly string[], changes: Partial<TargetFacts> = {}): TargetFacts {
  const fileSystem = { device: "1", freeBytes: 1000 };
  const member = names.includes("member") ? { isMount: false, mounts: [], links: [], hasWal: true, access: {}, databaseSizeBytes: 4096, revision: "7" } : null;
  return { name: "m", dataDir: { path: "/data", access: null, names, writeFault: null, fileSystem }, walDir: null, member, ...changes };
}

function withWal(names: readonly string[], walNames: readonly string[], walDir = "/wal"): TargetFacts {
  return target(names, { walDir: { path: walDir, access: null, names: walNames, writeFault: null, fileSystem: { device: "2", freeBytes: 5 } } });
}

test("target: an empty one, a mount's lost+found, and what other restores kept or left are not in the way", () => {
  for (const replace of [true, false]) {
    requireTarget(target([]), replace);
    requireTarget(target(["lost+found", "member.before-restore-20260101T000000Z", "member.etcdsafe-old", "journal.etcdsafe-old"]), replace);
    requireTarget(withWal(["wal"], ["before-restore-20260101T000000Z", "lost+found", `${WAL_NAME}.etcdsafe-old`], "/data/wal"), replace);
  }
  const left = withWal(["member.etcdsafe-old", "journal.etcdsafe-old"], [`${WAL_NAME}.etcdsafe-old`]);
  expect(leftoversIn(left)).toEqual(["/data/member.etcdsafe-old", "/data/journal.etcdsafe-old", `/wal/${WAL_NAME}.etcdsafe-old`]);
});

test("target: a member or a log that is there is refused, and the refusal names --replace", () => {
  const refused = { code: "TARGET_NOT_EMPTY", hint: expect.stringContaining("--replace") };
  expect(() => requireTarget(target(["member"]), false)).toThrow(expect.objectContaining({ ...refused, message: expect.stringContaining('holds "member"') }));
  expect(() => requireTarget(withWal([], [WAL_NAME]), false)).toThrow(expect.objectContaining(refused));
  requireTarget(withWal(["member"], [WAL_NAME, "0.tmp", "1.broken"]), true);
});

test.each(["config", "proxy", "member.old", "wal", "restore"])("target: %s is nobody's business, with --replace or without", (name) => {
  for (const replace of [true, false]) {
    expect(() => requireTarget(target(["member", name]), replace)).toThrow(expect.objectContaining({ code: "TARGET_NOT_EMPTY" }));
    expect(() => requireTarget(withWal([], [name]), replace)).toThrow(expect.objectContaining({ code: "TARGET_NOT_EMPTY" }));
  }
  expect(() => requireTarget(target([name]), true)).toThrow(
    expect.objectContaining({ message: `the data directory /data holds "${name}", which is not etcd's` }),
  );
});

test("target: a member that is a mount of its own cannot be replaced", () => {
  const mounted = target(["member"], { member: { isMount: true, mounts: [], links: [], hasWal: true, access: {}, databaseSizeBytes: null, revision: null } });
  expect(() => requireTarget(mounted, true)).toThrow(
    expect.objectContaining({ code: "TARGET_NOT_EMPTY", message: expect.stringContaining("mount of its own") }),
  );
});

test("target: a member with something mounted in it cannot be replaced, also where that is only of the same file system", () => {
  const facts = { isMount: false, links: [], hasWal: true, access: {}, databaseSizeBytes: null, revision: null };
  const mounted = target(["member"], { member: { ...facts, mounts: ["/data/member/wal"] } });
  const message = expect.stringMatching(/^\/data\/member\/wal is a mount of its own: it would go with the old member/);
  expect(() => requireTarget(mounted, true)).toThrow(
    expect.objectContaining({ code: "TARGET_NOT_EMPTY", message, hint: expect.stringContaining("--wal-dir") }),
  );
});

test("target: links in a member that is replaced are told, but not that of a log that goes where --wal-dir says", () => {
  const links = ["member", "member/snap", "member/wal"].map((name) => ({ path: `/data/${name}`, target: `/disk/${name}` }));
  const member = { isMount: false, mounts: [], links, hasWal: true, access: {}, databaseSizeBytes: null, revision: null };
  const warned = (facts: TargetFacts, replace = true) => targetWarnings(facts, replace).map((text) => text.replace(/ is a link to .*?:/, ":"));
  expect(warned(target(["member"], { member })).map((text) => text.split(":")[0])).toEqual(["/data/member", "/data/member/snap", "/data/member/wal"]);
  expect(targetWarnings(target(["member"], { member }), true)[2]).toMatch(
    / is a link to \/disk\/member\/wal: .* give --wal-dir \/disk\/member\/wal, to etcd as well/,
  );
  expect(targetWarnings(withWal(["member"], [WAL_NAME]), true)).toEqual([]);
  expect(targetWarnings({ ...withWal(["member"], [WAL_NAME]), member }, true)).toHaveLength(2);
  expect(warned(target(["member"], { member }), false)).toEqual([]);
});

test("target: what is replaced is kept under names that nothing has yet", () => {
  const [one, two] = ["before-restore-20261121T070509Z", "before-restore-20261121T070509Z-2"];
  expect(keptNames(AT, [])).toEqual({ member: `member.${one}`, wal: one });
  expect(keptNames(AT, [one!, `member.${two}`]).wal).toBe(`${one}-3`);
  expect(planTarget(withWal(["member"], [WAL_NAME]), asked).replaces).toEqual({
    memberDir: "/data/member",
    keptAs: "/data/member.before-restore-20261121T070509Z",
    walKeptAs: "/wal/before-restore-20261121T070509Z",
    databaseSizeBytes: 4096,
    revision: "7",
  });
  expect(planTarget(withWal([], [WAL_NAME]), asked).replaces).toMatchObject({ memberDir: null, keptAs: null, walKeptAs: expect.any(String) });
  expect(planTarget(withWal(["member"], ["lost+found"]), asked).replaces).toMatchObject({ walKeptAs: null });
  expect(planTarget(target([]), asked).replaces).toBeNull();
});

test("access: as what is replaced, kind by kind; or as --owner says, with those modes; or as the directory; or the running user's", () => {
  const old = { member: { uid: 5, gid: 6, mode: "0750" }, database: { uid: 5, gid: 7, mode: "0640" } };
  const replaced = target(["member"], {
    member: { isMount: false, mounts: [], links: [], hasWal: true, access: old, databaseSizeBytes: null, revision: null },
  });
  expect(planAccess(replaced, null, ROOT)).toMatchObject({
    from: "replaced",
    member: old.member,
    snap: { uid: 5, gid: 6, mode: "0700" },
    database: old.database,
    walFile: { uid: 5, gid: 6, mode: "0600" },
    snapFile: { uid: 5, gid: 6, mode: "0640" },
  });
  expect(planAccess(replaced, { uid: 8, gid: 9 }, ROOT)).toMatchObject({ from: "owner-option", database: { uid: 8, gid: 9, mode: "0640" } });
  const mounted = target([], { dataDir: { ...target([]).dataDir, access: { uid: 3, gid: 4, mode: "0755" } } });
  expect(planAccess(mounted, null, ROOT)).toMatchObject({ from: "data-directory", member: { uid: 3, gid: 4, mode: "0700" } });
  expect(planAccess(target([]), null, { uid: 1, gid: 2, groups: [] })).toMatchObject({ from: "running-user", walFile: { uid: 1, gid: 2, mode: "0600" } });
});

test("access: who is not root may give files to nobody but himself and his groups", () => {
  const owned = (uid: number, gid: number) => planAccess(target([]), { uid, gid }, ROOT);
  const user = { uid: 1000, gid: 1000, groups: [1000, 27] };
  requirePermittedAccess(owned(1000, 27), "/data", user);
  requirePermittedAccess(owned(5, 5), "/data", ROOT);
  for (const access of [owned(1000, 28), owned(0, 1000)]) {
    expect(() => requirePermittedAccess(access, "/data", user)).toThrow(expect.objectContaining({ code: "OWNER_NOT_PERMITTED" }));
  }
});

test("access: a plan that another user made is carried out for that user, unless the directory has come to be somebody's", () => {
  const planned = planOf("/data");
  const roomy = { device: "1", freeBytes: null };
  const absent = target([], { dataDir: { path: "/data", access: null, names: [], writeFault: null, fileSystem: roomy } });
  const user = { uid: process.getuid!() + 1, gid: process.getgid!(), groups: [] };
  const plan = planTargets(planned, [absent], { replace: false, owner: null }, { ...user, uid: process.getuid!() });
  expect(requireTargets(plan, [absent]).plan.members).toEqual(plan.members);
  const ofAnother = planTargets(planned, [absent], { replace: false, owner: null }, user);
  // Only root may do that for another.
  if (process.getuid!() === 0)
    expect(requireTargets(ofAnother, [absent]).plan.members[0]!.access).toMatchObject({ from: "running-user", member: { uid: user.uid } });
  else expect(() => requireTargets(ofAnother, [absent])).toThrow(expect.objectContaining({ code: "OWNER_NOT_PERMITTED" }));
  const appeared = target([], { dataDir: { path: "/data", access: { uid: 3, gid: 4, mode: "0700" }, names: [], writeFault: null, fileSystem: roomy } });
  expect(() => requireTargets(plan, [appeared])).toThrow(
    expect.objectContaining({ code: "TARGET_NOT_EMPTY", message: expect.stringContaining("has changed") }),
  );
  // As a run of the same plan has made it that died.
  const { uid, gid } = plan.members[0]!.access!.directory;
  const made = target(["member.etcdsafe-s"], {
    dataDir: { path: "/data", access: { uid, gid, mode: "0700" }, names: ["member.etcdsafe-s"], writeFault: null, fileSystem: roomy },
  });
  expect(requireTargets(plan, [made])).toMatchObject({ plan: { members: plan.members }, leftovers: ["/data/member.etcdsafe-s"] });
});

test("target: what is to be replaced has to be what the plan says, and to stay so while the files are written", () => {
  const revision = (shown: string) =>
    target(["member"], { member: { isMount: false, mounts: [], links: [], hasWal: true, access: {}, databaseSizeBytes: 4096, revision: shown } });
  const roomy = ({ dataDir, ...facts }: TargetFacts) => ({ ...facts, dataDir: { ...dataDir, fileSystem: { device: "1", freeBytes: null } } });
  const [before, later] = [roomy(revision("7")), roomy(revision("8"))];
  const plan = planTargets(planOf("/data"), [before], { replace: true, owner: null });
  expect(requireTargets(plan, [before]).plan.members).toEqual(plan.members);
  requireUnchanged(plan, [before]);
  const changed = expect.objectContaining({ code: "TARGET_NOT_EMPTY", message: "what is in /data has changed since the restore was planned" });
  for (const facts of [later, roomy(target([]))]) {
    expect(() => requireTargets(plan, [facts])).toThrow(changed);
    expect(() => requireUnchanged(plan, [facts])).toThrow(changed);
  }
});

test("room: each file system is asked for what goes there, and one that does not tell is trusted", () => {
  const bytes = { databasePerMember: 900, walPerMember: 64 };
  expect(planFileSystems([target([]), withWal([], [])], bytes)).toEqual([
    { directories: ["/data", "/data"], neededBytes: 900 + 64 + 900, freeBytes: 1000 },
    { directories: ["/wal"], neededBytes: 64, freeBytes: 5 },
  ]);
  requireSpace([{ directories: ["/data"], neededBytes: 5, freeBytes: 5 }], []);
  requireSpace([{ directories: ["/data"], neededBytes: 5, freeBytes: null }], []);
  expect(() => requireSpace([{ directories: ["/data"], neededBytes: 6, freeBytes: 5 }], ["/data/member.etcdsafe-old"])).toThrow(
    expect.objectContaining({ code: "TARGET_NO_SPACE", hint: expect.stringContaining("/data/member.etcdsafe-old") }),
  );
});

test("target: facts are those of the files that are there, through links, and damage is no obstacle", async () => {
  await using directory = await temporaryDirectory("targets");
  const [dataDir, elsewhere] = [join(directory.path, "data"), join(directory.path, "elsewhere")];
  await mkdir(join(elsewhere, "snap"), { recursive: true });
  await mkdir(join(elsewhere, "wal"));
  await mkdir(dataDir);
  await writeFile(join(elsewhere, "snap/db"), buildSnapshot({ trailer: false }));
  await writeFile(join(elsewhere, "wal", WAL_NAME), "");
  await chmod(join(elsewhere, "snap/db"), 0o640);
  await chmod(join(elsewhere, "snap"), 0o750);
  await chown(join(elsewhere, "wal", WAL_NAME), 12, 34);
  await symlink(elsewhere, join(dataDir, "member"));
  const facts = await targetFacts({ name: "m", dataDir });
  expect(facts.member).toMatchObject({ isMount: false, hasWal: true, revision: "1" });
  expect(facts.member?.access).toMatchObject({ snap: { mode: "0750" }, database: { mode: "0640" }, walFile: { uid: 12, gid: 34 } });
  expect(facts.dataDir.fileSystem.freeBytes).toBeGreaterThan(0);
  await writeFile(join(elsewhere, "snap/db"), "no database");
  expect((await targetFacts({ name: "m", dataDir })).member).toMatchObject({ revision: null, databaseSizeBytes: 11 });
  expect(await targetFacts({ name: "m", dataDir: join(directory.path, "a/b") })).toMatchObject({ member: null, dataDir: { access: null, names: [] } });
});

test("target: a file called member says nothing of who may use a directory", async () => {
  await using directory = await temporaryDirectory("targets");
  await writeFile(join(directory.path, "member"), "", { mode: 0o644 });
  const facts = await targetFacts({ name: "m", dataDir: directory.path });
  expect(facts.member?.access).toEqual({});
  expect(planAccess(facts, null, ROOT)).toMatchObject({ from: "data-directory", member: { mode: "0700" } });
  await rm(join(directory.path, "member"));
  await mkdir(join(directory.path, "member/snap/db"), { recursive: true, mode: 0o755 });
  expect(Object.keys((await targetFacts({ name: "m", dataDir: directory.path })).member!.access)).toEqual(["member", "snap"]);
});

test("target: a link that leads nowhere is told, at the place itself and above it", async () => {
  await using directory = await temporaryDirectory("targets");
  const link = join(directory.path, "link");
  await symlink("/nowhere/at/all", link);
  const refused = (message: string) => ({ code: "FILE_FAILED", message, hint: expect.stringContaining("mount it") });
  await expect(targetFacts({ name: "m", dataDir: link })).rejects.toMatchObject(refused(`${link} is a link to /nowhere/at/all, and there is nothing there`));
  const below = join(link, "data");
  const message = `${below} cannot be made: ${link} is a link to /nowhere/at/all, and there is nothing there`;
  await expect(targetFacts({ name: "m", dataDir: directory.path, walDir: below })).rejects.toMatchObject(refused(message));
});

test("target: a file where the data directory should be is refused, and so is one further up, which is named", async () => {
  await using directory = await temporaryDirectory("targets");
  const file = join(directory.path, "file");
  await writeFile(file, "");
  const refused = (message: string) => ({ code: "TARGET_NOT_EMPTY", message });
  await expect(targetFacts({ name: "m", dataDir: file })).rejects.toMatchObject(refused(`${file} is a file, not a directory`));
  for (const below of [join(file, "data"), join(file, "a/b/data")]) {
    const message = `${below} cannot be made: ${file} is a file, not a directory`;
    await expect(targetFacts({ name: "m", dataDir: below })).rejects.toMatchObject(refused(message));
    await expect(targetFacts({ name: "m", dataDir: join(directory.path, "absent"), walDir: below })).rejects.toMatchObject(refused(message));
  }
});
