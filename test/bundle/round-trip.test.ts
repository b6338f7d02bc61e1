// Real files into a tar and out of it again, and what tars of others must not do.
import { execFileSync } from "node:child_process";
import { createHash } from "node:crypto";
import { appendFileSync, rmSync } from "node:fs";
import { chmod, chown, lchown, lstat, lutimes, mkdir, readdir, readFile, readlink, symlink, utimes, writeFile } from "node:fs/promises";
import { createServer } from "node:net";
import { join } from "node:path";
import { pack } from "tar-stream";
import { expect, test } from "vitest";
import { type BundleRequest, gatherBundle } from "../../src/bundle/gather.ts";
import type { BundleIndex } from "../../src/bundle/index-document.ts";
import { readBundle } from "../../src/bundle/read.ts";
import { stageBundle } from "../../src/bundle/unpack.ts";
import { bundleTar } from "../../src/bundle/write.ts";
import { type ByteStream, collect, streamOf } from "../../src/bytes/stream.ts";
import { expectThrown } from "../support/failures.ts";
import { temporaryDirectory } from "../support/temporary-directory.ts";
import { testRuntime } from "../support/test-runtime.ts";

const options = { signal: AbortSignal.timeout(60_000), runtime: testRuntime(), encrypted: false };
const author = { tool: { name: "etcdsafe", version: "0.0.0" }, writer: { host: "h", pid: 1 } };
const BACKUP = "20261121T093000Z-0000000000000012345-k3jv2a";
const bound = { author, cluster: "default", backup: BACKUP, createdAt: new Date("2026-11-21T09:30:00.123Z") };
const KEY = "-----BEGIN PRIVATE KEY-----\nMIIE\n-----END PRIVATE KEY-----\n";

const request = (changes: Partial<BundleRequest>): BundleRequest => ({ includes: [], presets: [], hostRoot: "/", allowPlaintextSecrets: true, ...changes });
const bytesOf = (stream: ByteStream) => collect(stream, 1e9, () => new Error("too long"));

test("bundle: what is unpacked has the content, modes, times, links and, for root, the owners that were put in", async () => {
  await using directory = await temporaryDirectory("bundle");
  const host = join(directory.path, "host");
  const pki = join(host, "etc/kubernetes/pki");
  await mkdir(join(pki, "etcd"), { recursive: true });
  await mkdir(join(pki, "empty"));
  const long = `${"n".repeat(180)}.crt`;
  await writeFile(join(pki, "ca.key"), KEY, { mode: 0o600 });
  await writeFile(join(pki, "etcd/ü.crt"), "");
  await writeFile(join(pki, long), Buffer.alloc(70_000, 7));
  await symlink("/etc/kubernetes/pki/ca.key", join(pki, "absolute"));
  await symlink("../ca.key", join(pki, "etcd/relative"));
  const isRoot = process.getuid!() === 0;
  if (isRoot) {
    await chown(join(pki, "ca.key"), 4_000_000, 123);
    await lchown(join(pki, "absolute"), 12, 13);
    await chown(join(pki, "etcd"), 14, 15);
  }
  await chmod(join(pki, "ca.key"), 0o4640);
  await chmod(join(pki, "etcd"), 0o2750);
  const times = { "ca.key": 1_700_000_000.123, etcd: 1_600_000_000, [long]: 1_500_000_000.5 };
  for (const [name, seconds] of Object.entries(times)) await utimes(join(pki, name), seconds, seconds);
  await lutimes(join(pki, "absolute"), 1_400_000_000, 1_400_000_000);

  const gathered = await gatherBundle(request({ includes: [pki], hostRoot: host }), options);
  expect(gathered).toMatchObject({ kinds: ["private-key"], warnings: [] });
  const tar = await bytesOf(bundleTar(gathered, bound));
  const bundle = await readBundle("b", streamOf(tar));
  expect(bundle.index).toMatchObject({ backup: BACKUP, containsPrivateKeys: true });
  expect(bundle.index.entries.find(({ name }) => name === "files/etc/kubernetes/pki/absolute")).toMatchObject({
    source: "/etc/kubernetes/pki/absolute",
    linkTarget: "ca.key",
  });
  const out = join(directory.path, "a/b/out");
  const staged = await stageBundle(bundle, out, options);
  await expect(lstat(out)).rejects.toThrow();
  await staged.place();
  expect(await readdir(out)).toEqual(["etcdsafe-bundle.json", "files"]);
  expect(await readdir(join(directory.path, "a/b"))).toEqual(["out"]);
  const restored = join(out, "files/etc/kubernetes/pki");
  expect((await lstat(out)).mode & 0o777).toBe(0o700);
  expect(await readFile(join(restored, "ca.key"), "utf8")).toBe(KEY);
  expect(await readFile(join(restored, long))).toEqual(Buffer.alloc(70_000, 7));
  expect(await readFile(join(restored, "etcd/relative"), "utf8")).toBe(KEY);
  expect(await readlink(join(restored, "absolute"))).toBe("ca.key");
  for (const name of ["", "empty", "etcd", "etcd/ü.crt", "etcd/relative", "absolute", long, "ca.key"]) {
    const [was, is] = await Promise.all([lstat(join(pki, name)), lstat(join(restored, name))]);
    expect([is.mode & 0o1777, Math.floor(is.mtimeMs), is.uid, is.gid], name).toEqual([was.mode & 0o1777, Math.floor(was.mtimeMs), was.uid, was.gid]);
  }
  expect((await lstat(join(restored, "ca.key"))).mode & 0o7777).toBe(0o640); // Never set-user-ID.
  expect((await lstat(join(restored, "etcd"))).mode & 0o7777).toBe(0o2750);

  // As anybody would, without etcdsafe.
  const byHand = join(directory.path, "by-hand");
  await mkdir(byHand);
  execFileSync("tar", ["-xpf", "-", "-C", byHand], { input: tar });
  expect(await readFile(join(byHand, "files/etc/kubernetes/pki/etcd/ü.crt"))).toHaveLength(0);
  expect((await lstat(join(byHand, "files/etc/kubernetes/pki/ca.key"))).mtimeMs).toBeCloseTo(1_700_000_000_123, -1);
  if (isRoot) expect((await lstat(join(byHand, "files/etc/kubernetes/pki/ca.key"))).uid).toBe(4_000_000);

  await expectThrown("TARGET_NOT_EMPTY", () => stageBundle(bundle, out, options), /out, where the bundle is to go, is not empty/);
  await expectThrown("TARGET_NOT_EMPTY", () => stageBundle(bundle, join(restored, "ca.key"), options), /is no directory/);
  const late = join(directory.path, "late");
  const beaten = await stageBundle(bundle, late, options);
  await mkdir(late);
  await writeFile(join(late, "mine"), "");
  await expectThrown("TARGET_NOT_EMPTY", () => beaten.place(), /late, where the bundle is to go, is not empty/);
  expect(await readdir(late)).toEqual(["mine"]);
  expect((await readdir(directory.path)).filter((name) => name.endsWith(".part"))).toEqual([]);
});

test("bundle: private keys are not stored for everybody to read, unless it is said", async () => {
  await using directory = await temporaryDirectory("bundle");
  for (const name of ["a", "b", "c", "d"]) await writeFile(join(directory.path, name), KEY);
  const keys = request({ includes: [directory.path], allowPlaintextSecrets: false });
  await expectThrown("PLAINTEXT_SECRETS", () => gatherBundle(keys, options), /unencrypted: .*\/a, .*\/b, .*\/c and 1 more$/);
  expect((await gatherBundle(keys, { ...options, encrypted: true })).entries).toHaveLength(5);
  expect((await gatherBundle({ ...keys, allowPlaintextSecrets: true }, options)).entries).toHaveLength(5);
});

test("bundle: what is missing, special, too large, or called as another is refused", async () => {
  await using directory = await temporaryDirectory("bundle");
  const path = (name: string) => join(directory.path, name);
  const gather = (...includes: string[]) => gatherBundle(request({ includes }), options);
  await expectThrown("FILE_NOT_FOUND", () => gather(path("missing")), /there is no .*missing to include/);
  execFileSync("mkfifo", [path("fifo")]);
  await expectThrown("FILE_FAILED", () => gather(path("fifo")), /fifo is a named pipe/);
  await expectThrown("FILE_FAILED", () => gather("/dev/null"), /\/dev\/null is a device/);
  const server = createServer().listen(path("socket"));
  await new Promise((done) => server.once("listening", done));
  await expectThrown("FILE_FAILED", () => gather(path("socket")), /socket is a socket/);
  // Below what is named, it is only left out.
  const { entries, warnings } = await gather(directory.path);
  expect(entries.map(({ type }) => type)).toEqual(["directory"]);
  expect(warnings.toSorted()).toEqual([
    expect.stringMatching(/fifo is a named pipe, which a bundle cannot hold: it is not in the bundle$/),
    expect.stringMatching(/socket is a socket, which a bundle cannot hold: it is not in the bundle$/),
  ]);
  await new Promise((done) => server.close(done));
  await writeFile(path("large"), Buffer.alloc(16 * 1024 * 1024 + 1));
  await expectThrown("FILE_FAILED", () => gather(path("large")), /large has 16777217 bytes, and a file of a bundle at most 16777216/);
  await writeFile(path("exact"), Buffer.alloc(16 * 1024 * 1024));
  expect((await gather(path("exact"))).entries).toHaveLength(1);
  await writeFile(path("byte"), "1");
  await expectThrown("FILE_FAILED", () => gather(`${path("exact")}=a`, `${path("exact")}=b`, path("byte")), /more than 33554432 bytes/);
  await expectThrown("USAGE", () => gather(`${path("exact")}=a`, `${path("byte")}=a`), /would both be called files\/a in the bundle/);
  await expectThrown("USAGE", () => gather(`${path("exact")}=a`, `${path("byte")}=a/b`), /make no bundle: "files\/a\/b" lies below a file/);
  await expectThrown("USAGE", () => gather(`${path("byte")}=../b`), /"\.\.\/b" cannot be a name/);
  await expectThrown("USAGE", () => gather("/"), /the whole host/);
  expect((await gather(path("byte"), path("byte"))).entries).toHaveLength(1);
});

test("bundle: a file that changes while it is read is never half of one and half of another, and one that vanishes is told of", async () => {
  await using directory = await temporaryDirectory("bundle");
  const path = (name: string) => join(directory.path, name);
  await writeFile(path("log"), "");
  let isWriting = true;
  const writing = (async () => {
    for (; isWriting; await new Promise(setImmediate)) appendFileSync(path("log"), "x");
  })();
  await expectThrown("FILE_FAILED", () => gatherBundle(request({ includes: [path("log")] }), options), /log changed each time while it was read/);
  isWriting = false;
  await writing;
  // Asked for each entry: between the listing of the directory and the reading of what is in it.
  let asked = 0;
  const signal = { throwIfAborted: () => void (++asked === 2 && rmSync(path("log"))) } as AbortSignal;
  await writeFile(path("other"), "");
  const { entries, warnings } = await gatherBundle(request({ includes: [directory.path] }), { encrypted: false, signal });
  expect(entries.map(({ name }) => name.split("/").at(-1)).slice(1)).toEqual(["other"]);
  expect(warnings).toEqual([expect.stringMatching(/log vanished while the bundle's files were read/)]);
});

test("bundle: a link that could not be unpacked is left out, and one that leads to nothing in it is told of", async () => {
  await using directory = await temporaryDirectory("bundle");
  const path = (name: string) => join(directory.path, name);
  await mkdir(path("d"));
  await writeFile(path("outside"), "");
  await symlink("../outside", path("d/out"));
  await symlink("circle", path("d/circle"));
  const kept = await gatherBundle(request({ includes: [path("d")] }), options);
  expect(kept.entries.map(({ name }) => name.split("/").at(-1))).toEqual(["d", "out"]);
  expect(kept.warnings).toEqual([
    expect.stringMatching(/circle is a symbolic link that leads in circles/),
    expect.stringMatching(/d\/out is in the bundle.*outside, is not$/),
  ]);
  const moved = await gatherBundle(request({ includes: [`${path("d")}=elsewhere`] }), options);
  expect(moved.entries.map(({ name }) => name)).toEqual(["files/elsewhere"]);
  expect(moved.warnings).toEqual(expect.arrayContaining([expect.stringMatching(/d\/out is a symbolic link to \.\.\/outside, which has no place/)]));
});

type Facts = BundleIndex["entries"][number];
const facts = (name: string, changes: Partial<Facts> = {}): Facts => ({
  name,
  source: `/${name}`,
  type: "file",
  mode: "0644",
  uid: 0,
  gid: 0,
  modifiedAt: "2026-01-02T03:04:05.000Z",
  sizeBytes: 3,
  sha256: createHash("sha256").update("abc").digest("hex"),
  linkTarget: null,
  ...changes,
});
const linkFacts = (name: string, linkTarget: string) => facts(name, { type: "symlink", mode: "0777", sizeBytes: null, sha256: null, linkTarget });

type Header = Parameters<ReturnType<typeof pack>["entry"]>[0];
interface Forged {
  readonly entries: readonly Facts[];
  /** As the index has them where left out. */
  readonly tar?: readonly (Header & { readonly body?: string })[];
}

async function forged({ entries, tar }: Forged, index: Partial<BundleIndex> = {}): Promise<Buffer> {
  const stream = pack();
  const document = { format: 1, requires: [], ...author, cluster: "default", backup: BACKUP, createdAt: bound.createdAt.toISOString() };
  stream.entry({ name: "etcdsafe-bundle.json" }, JSON.stringify({ ...document, presets: [], containsPrivateKeys: false, entries, ...index }));
  const headers: NonNullable<Forged["tar"]> =
    tar ??
    entries.map(({ name, type, mode, linkTarget }) => ({
      name,
      type,
      mode: Number.parseInt(mode, 8),
      ...(linkTarget === null ? {} : { linkname: linkTarget }),
    }));
  for (const { body = "abc", ...header } of headers) {
    if ((header.type ?? "file") === "file") stream.entry(header, body);
    else stream.entry(header);
  }
  stream.finalize();
  return Buffer.from(await bytesOf(stream as unknown as ByteStream));
}

const one = [facts("files/a")];
const HOSTILE: readonly [what: string, Forged, RegExp][] = [
  ["leads up", { entries: [facts("files/../../a")] }, /no plain path/],
  ["is absolute", { entries: [facts("/etc/passwd")] }, /does not lie below files/],
  ["lies beside files/", { entries: [facts("etc/passwd")] }, /does not lie below files/],
  ["links to what is absolute", { entries: [linkFacts("files/a", "/etc")] }, /absolute path "\/etc"/],
  ["links out", { entries: [linkFacts("files/a", "../../etc")] }, /leads out of files/],
  ["writes through a link", { entries: [linkFacts("files/a", "b"), facts("files/a/x")] }, /lies below a symlink/],
  ["is there twice", { entries: [...one, ...one] }, /"files\/a" is in it twice/],
  [
    "is in the tar twice",
    {
      entries: one,
      tar: [
        { name: "files/a", mode: 0o644 },
        { name: "files/a", mode: 0o644 },
      ],
    },
    /in its tar twice/,
  ],
  ["is not in the index", { entries: [], tar: [{ name: "files/a" }] }, /in its tar and not in its index/],
  ["is only in the index", { entries: one, tar: [] }, /in its index, but not in its tar/],
  ["is a hard link", { entries: one, tar: [{ name: "files/a", type: "link", linkname: "/etc/passwd" }] }, /is a link in the tar/],
  ["is a device", { entries: one, tar: [{ name: "files/a", type: "character-device", devmajor: 1, devminor: 3 }] }, /is a character-device in the tar/],
  ["is a block device", { entries: one, tar: [{ name: "files/a", type: "block-device" }] }, /is a block-device in the tar/],
  ["is a pipe", { entries: one, tar: [{ name: "files/a", type: "fifo" }] }, /is a fifo in the tar/],
  ["has another mode", { entries: one, tar: [{ name: "files/a", mode: 0o4755 }] }, /has the mode "4755" in the tar, and "0644"/],
  ["has another owner", { entries: one, tar: [{ name: "files/a", mode: 0o644, uid: 7 }] }, /has the uid 7 in the tar/],
  ["has another content", { entries: one, tar: [{ name: "files/a", mode: 0o644, body: "abd" }] }, /another SHA-256/],
  ["has another size", { entries: one, tar: [{ name: "files/a", mode: 0o644, body: "abcd" }] }, /has the size 4 in the tar, and 3/],
  [
    "has another target",
    { entries: [linkFacts("files/a", "b")], tar: [{ name: "files/a", mode: 0o777, type: "symlink", linkname: "/etc" }] },
    /has the target "\/etc"/,
  ],
  ["is too large", { entries: [facts("files/a", { sizeBytes: 16 * 1024 * 1024 + 1 })], tar: [] }, /longer than 16777216 bytes/],
  ["is too much", { entries: [1, 2, 3].map((n) => facts(`files/${n}`, { sizeBytes: 16 * 1024 * 1024 })), tar: [] }, /files have 50331651 bytes/],
  ["contradicts itself", { entries: [facts("files/a", { linkTarget: "/etc" })] }, /contradicts itself/],
];

test.each(HOSTILE)("bundle: one of which an entry %s is refused whole", async (_what, forgery, why) => {
  const tar = await forged({
    ...forgery,
    entries: [facts("files/good"), ...forgery.entries],
    ...(forgery.tar === undefined ? {} : { tar: [{ name: "files/good", mode: 0o644 }, ...forgery.tar] }),
  });
  await expectThrown("BUNDLE_INVALID", () => readBundle("b", streamOf(tar)), why);
});

test("bundle: sizes in headers are not believed, and what is cut short or no tar is refused", async () => {
  const good = await forged({ entries: one });
  expect((await readBundle("b", streamOf(good))).entries).toHaveLength(1);
  const stream = pack();
  const huge = { name: "etcdsafe-bundle.json", pax: { size: "9007199254740991" } };
  stream.entry(huge, "{}");
  stream.finalize();
  await expectThrown(
    "BUNDLE_INVALID",
    async () => readBundle("b", streamOf(await bytesOf(stream as unknown as ByteStream))),
    /index is longer than|no good bundle/,
  );
  for (const end of [0, 100, 512, 700, 1024, good.length - 2048 + 1])
    await expectThrown("BUNDLE_INVALID", () => readBundle("b", streamOf(good.subarray(0, end))), /^b is no good bundle/);
  await expectThrown("BUNDLE_INVALID", () => readBundle("b", streamOf(Buffer.alloc(4096, "x"))), /^b is no good bundle/);
  await expectThrown("BUNDLE_INVALID", async () => readBundle("b", streamOf(await forged({ entries: one }, { format: 1, entries: 3 as never }))), /entries/);
  await expectThrown("BUNDLE_INVALID", () => readBundle("b", streamOf(good.subarray(good.length - 2048))), /first entry is "files\/a"/);
  const endless = (async function* () {
    for (;;) yield Buffer.alloc(1024 * 1024);
  })();
  await expectThrown("BUNDLE_INVALID", () => readBundle("b", endless), /longer than 66715648 bytes/);
});

test("bundle: no changed byte makes it anything but good or refused", async () => {
  const good = await forged({ entries: [...one, linkFacts("files/l", "a")] });
  for (let at = 0; at < good.length; at += 13) {
    const changed = Buffer.from(good);
    changed[at]! ^= 0x11;
    const read = await readBundle("b", streamOf(changed)).catch((error: unknown) => error);
    if (read instanceof Error) expect(read, `byte ${at}`).toMatchObject({ code: expect.stringMatching(/^(BUNDLE_INVALID|REPOSITORY_UNSUPPORTED)$/) });
  }
});
