// Whether the spool lies on the disk of an etcd that runs on this host: writing a snapshot there competes with etcd's own fsyncs.
// Linux only, and only for processes this user may look at; elsewhere nothing is said.
import { readdir, readlink, stat } from "node:fs/promises";

/** Where etcd keeps its database below its data directory. */
const DATABASE_SUFFIX = "/member/snap/db";

/** The database file of a running etcd on the same device as `directory`; undefined when there is none to be seen. */
export async function etcdDatabaseOnSameDisk(directory: string): Promise<string | undefined> {
  const { dev: device } = await stat(directory);
  for (const pid of await namesIn("/proc")) {
    if (!/^\d+$/.test(pid)) continue;
    for (const descriptor of await namesIn(`/proc/${pid}/fd`)) {
      const link = `/proc/${pid}/fd/${descriptor}`;
      const target = await readlink(link).catch(() => "");
      if (!target.endsWith(DATABASE_SUFFIX)) continue;
      const found = await stat(link).catch(() => undefined);
      if (found?.dev === device) return target;
    }
  }
  return undefined;
}

/** What cannot be listed (no /proc here, another user's process, one that just ended) counts as empty. */
async function namesIn(directory: string): Promise<string[]> {
  return readdir(directory).catch(() => []);
}
