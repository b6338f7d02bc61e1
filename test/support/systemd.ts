// A systemd as a host has it, process 1 of namespaces of its own: what is done there to /etc, /usr and /var is gone with it, and no unit of this host is started.
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { type CommandResult, type RunningCommand, runCommand, startCommand } from "./command.ts";
import { temporaryDirectory } from "./temporary-directory.ts";

const SYSTEMD = "/lib/systemd/systemd";
const CHECKOUT = fileURLToPath(new URL("../../", import.meta.url));
const PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";
const LIMIT_MS = 30_000;

/** Where this checkout is seen inside: below none of the directories that units are kept from. */
const INSTALLED = "/usr/local/lib/etcdsafe";

/**
 * The first process has namespaces for mounts alone, and removes the cgroup when the second, which is systemd, has ended. It ends with whoever started it, too: a
 * test's process that is killed leaves an empty cgroup, and /tmp/etcdsafe-systemd-*.
 */
const OUTSIDE = `
mount --make-rprivate /
mount -t cgroup2 cgroup2 /sys/fs/cgroup
own=/sys/fs/cgroup$(sed -n 's/^0:://p' /proc/self/cgroup)
cgroup=$own/etcdsafe-systemd-$$
mkdir "$cgroup"
echo $$ > "$cgroup/cgroup.procs"
status=0
setpriv --pdeathsig KILL unshare --pid --fork --kill-child --cgroup --uts --ipc --mount sh -ec "$INSIDE" || status=$?
echo $$ > "$own/cgroup.procs"
find "$cgroup" -depth -type d -exec rmdir {} +
exit $status
`;
/** What the second one does, and then becomes a systemd, or only looks whether there is one. */
const SET_UP = `
read -r pid others < /proc/self/stat
echo "$pid" > "$DIRECTORY/pid"
umount /sys/fs/cgroup
mount -t tmpfs tmpfs "$DIRECTORY"
for changed in etc usr var; do
  mkdir "$DIRECTORY/$changed" "$DIRECTORY/$changed.work"
  mount -t overlay -o "lowerdir=/$changed,upperdir=$DIRECTORY/$changed,workdir=$DIRECTORY/$changed.work" overlay /$changed
done
mkdir -p ${INSTALLED}
mount --bind "$CHECKOUT" ${INSTALLED}
ln -sf ${INSTALLED}/node_modules/node/bin/node /usr/local/bin/node
ln -sf ${INSTALLED}/bin/etcdsafe.js /usr/local/bin/etcdsafe
mount -t tmpfs tmpfs /etc/systemd/system
for target in sysinit basic network-online timers multi-user; do printf '[Unit]\\nDefaultDependencies=no\\n' > /etc/systemd/system/$target.target; done
mount -t tmpfs tmpfs /run
mkdir /run/files
mount --bind "$FILES" /run/files
mount -t tmpfs -o mode=1777 tmpfs /tmp
mkdir -p "$FILES"
mount --bind /run/files "$FILES"
mkdir /run/printed /etc/systemd/system/service.d
printf '[Service]\\nStandardOutput=append:/run/printed/%%n\\nStandardError=inherit\\n' > /etc/systemd/system/service.d/printed.conf
mount -t proc proc /proc
mount --bind -o ro /proc/sys /proc/sys
mount -o remount,bind,ro /sys
mount -t cgroup2 cgroup2 /sys/fs/cgroup
mount --make-rshared /
`;
const BOOT = `exec env -i container=etcdsafe-test PATH=${PATH} SYSTEMD_UNIT_PATH=/etc/systemd/system SYSTEMD_GENERATOR_PATH=/nowhere ${SYSTEMD} --unit=multi-user.target --log-target=console`;
const LOOK = `test -x ${SYSTEMD} || { echo there is no ${SYSTEMD} >&2; exit 1; }`;

export interface BootedSystemd extends AsyncDisposable {
  /** Runs commands in it until one fails, as root in a checkout; etcdsafe is found. After a failure, what its services printed is on stderr. */
  shell(commands: string): Promise<CommandResult>;
  /** Resolves once what a service has printed since the boot matches; rejects after half a minute. */
  printed(service: string, pattern: RegExp): Promise<void>;
}

/** Takes a boot's steps, but the last. Undefined where that can be done, too; else what is in the way: mostly that this process is not root, or in a namespace alone. */
export async function whyNoSystemd(files: string): Promise<string | undefined> {
  const directory = await temporaryDirectory("systemd");
  try {
    const { exitCode, stderr } = await started(directory.path, files, LOOK).finished;
    return exitCode === 0 ? undefined : `no systemd can be booted: ${stderr.trim()}`;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "ENOENT") throw error;
    return "no systemd can be booted: there is no setpriv";
  } finally {
    await directory.remove();
  }
}

function started(directory: string, files: string, last: string): RunningCommand {
  const env = { PATH, CHECKOUT, DIRECTORY: directory, FILES: files, INSIDE: SET_UP + last };
  return startCommand("setpriv", ["--pdeathsig", "KILL", "unshare", "--mount", "sh", "-ec", OUTSIDE], { env, limitMs: 180_000 });
}

/** Of /tmp it sees `files` alone. Rejects where it cannot be booted: whyNoSystemd tells beforehand. */
export async function bootSystemd(files: string): Promise<BootedSystemd> {
  const directory = await temporaryDirectory("systemd");
  const booted = started(directory.path, files, BOOT);
  const processId = async () => Number(await readFile(join(directory.path, "pid"), "utf8"));
  const shell = async (commands: string) => {
    const namespaces = ["--mount", "--pid", "--cgroup", "--uts", "--ipc"];
    const told = `trap '[ $? = 0 ] || tail -n +1 /run/printed/* >&2' EXIT\ncd ${INSTALLED}\n${commands}`;
    return await runCommand("nsenter", ["--target", String(await processId()), ...namespaces, "sh", "-ec", told], { env: { PATH } });
  };
  const until = async (what: string, isSo: () => Promise<boolean>) => {
    for (const giveUpAt = performance.now() + LIMIT_MS; !(await isSo()); await sleep(50)) {
      if (performance.now() > giveUpAt) throw new Error(`${what} within ${LIMIT_MS / 1000} s`);
    }
  };
  const stop = async () => {
    await processId().then(
      (pid) => process.kill(pid, "SIGKILL"),
      () => booted.signal("SIGKILL"),
    );
    await booted.finished.catch(() => undefined);
    await directory.remove();
  };
  try {
    const isUp = async () => (await shell("systemctl is-active multi-user.target").catch(() => undefined))?.exitCode === 0;
    await Promise.race([
      until("systemd did not start", isUp),
      booted.finished.then(({ exitCode, stderr, stdout }) => {
        throw new Error(`systemd ended with ${exitCode}:\n${stderr}${stdout}`);
      }),
    ]);
  } catch (error) {
    await stop();
    throw error;
  }
  return {
    shell,
    printed: async (service, pattern) => {
      let text = "";
      const matches = async () => {
        text = (await shell(`cat /run/printed/${service}.service`)).stdout;
        return pattern.test(text);
      };
      await until(`${service} did not print ${pattern}`, matches).catch((error: Error) => {
        throw new Error(`${error.message}, but:\n${text}`);
      });
    },
    [Symbol.asyncDispose]: stop,
  };
}
