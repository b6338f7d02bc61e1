// Whether the spool lies on the disk of the etcd that is saved, where that runs on this host: writing a snapshot there competes with etcd's own fsyncs.
// Linux only, and only for processes this user may look at; elsewhere nothing is said.
import { readdir, readFile, readlink, stat } from "node:fs/promises";

/** Where etcd keeps its database below its data directory. */
const DATABASE_SUFFIX = "/member/snap/db";

/** Where Linux lists sockets that listen: state 0A, local address and port in hexadecimal, the inode in the tenth column. */
const SOCKET_TABLES = ["/proc/net/tcp", "/proc/net/tcp6"];
const LISTENING = /^\s*\d+: [0-9A-F]+:([0-9A-F]{4}) \S+ 0A (?:\S+ +){5}(\d+)/;

/** The database file of the etcd that listens on `port` of this host, when it is on the same device as `directory`; else undefined. */
export async function etcdDatabaseOnSameDisk(directory: string, port: number): Promise<string | undefined> {
  const sockets = await listeningSockets(port);
  if (sockets.size === 0) return undefined;
  const spool = await stat(directory).catch(() => undefined); // Who only wants to warn makes no save fail.
  if (spool === undefined) return undefined;
  for (const pid of await namesIn("/proc")) {
    if (!/^\d+$/.test(pid)) continue;
    const files = await openFiles(pid);
    if (!files.some(({ target }) => sockets.has(target))) continue;
    const database = files.find(({ target }) => target.endsWith(DATABASE_SUFFIX));
    const found = database === undefined ? undefined : await stat(database.link).catch(() => undefined);
    if (found?.dev === spool.dev) return database?.target;
  }
  return undefined;
}

/** As links in /proc name them. */
async function listeningSockets(port: number): Promise<Set<string>> {
  const hexPort = port.toString(16).toUpperCase().padStart(4, "0");
  const sockets = new Set<string>();
  for (const table of SOCKET_TABLES) {
    for (const line of (await readFile(table, "utf8").catch(() => "")).split("\n")) {
      const [, local, inode] = LISTENING.exec(line) ?? [];
      if (local === hexPort) sockets.add(`socket:[${inode}]`);
    }
  }
  return sockets;
}

async function openFiles(pid: string): Promise<{ link: string; target: string }[]> {
  const links = (await namesIn(`/proc/${pid}/fd`)).map((descriptor) => `/proc/${pid}/fd/${descriptor}`);
  return Promise.all(links.map(async (link) => ({ link, target: await readlink(link).catch(() => "") })));
}

/** What cannot be listed (no /proc here, another user's process, one that just ended) counts as empty. */
async function namesIn(directory: string): Promise<string[]> {
  return readdir(directory).catch(() => []);
}
