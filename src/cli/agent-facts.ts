// What an agent tells Prometheus besides its runs: from its status, and from the certificates that its options name.
import { X509Certificate } from "node:crypto";
import { readFile } from "node:fs/promises";
import type { AgentStatus } from "../agent/status.ts";
import type { Config } from "../config/config.ts";
import type { AgentFacts } from "../metrics/agent-facts.ts";

export async function agentFacts({ cluster, role, startedAt, tasks, recovery, catalogue, unreadable }: AgentStatus, config: Config): Promise<AgentFacts> {
  const nextOf = (kind: string) => {
    const at = tasks.find((task) => task.kind === kind)?.nextRunAt ?? null;
    return at === null ? null : new Date(at);
  };
  const nextRuns = { save: nextOf("save"), verify: nextOf("verify"), prune: nextOf("prune") };
  const window = recovery === null ? null : { from: new Date(recovery.from), to: new Date(recovery.to) };
  const recoveryWindow = catalogue === null ? undefined : window;
  const damagedBackups = catalogue === null ? null : catalogue.backups.filter(({ state }) => state === "damaged").length;
  // Of one that has read nothing yet, since it is there; and by a clock that was set back, since it cannot.
  const times = [catalogue?.readAt ?? startedAt, ...(unreadable === null ? [] : [unreadable.since])];
  const readAt = new Date(times.reduce((a, b) => (a < b ? a : b)));
  return { cluster, role, nextRuns, recoveryWindow, readAt, damagedBackups, certificates: await certificatesOf(config) };
}

async function certificatesOf(config: Config): Promise<AgentFacts["certificates"]> {
  const named = [
    ["client", config.get("cert")],
    ["ca", config.get("cacert")],
    ["listen", config.get("listen-cert")],
  ] as const;
  const found = await Promise.all(
    named.map(async ([certificate, path]) => {
      const expiresAt = path === undefined ? undefined : await firstToExpire(path);
      return expiresAt === undefined ? [] : [{ certificate, expiresAt }];
    }),
  );
  return found.flat();
}

/** Undefined for what cannot be read now: the next run says so. */
async function firstToExpire(path: string): Promise<Date | undefined> {
  const pem = await readFile(path, "latin1").catch(() => "");
  const blocks = pem.match(/-----BEGIN CERTIFICATE-----[^-]*-----END CERTIFICATE-----/g) ?? [];
  const times = blocks.flatMap((block) => {
    try {
      return [new X509Certificate(block).validToDate.getTime()];
    } catch {
      return [];
    }
  });
  return times.length === 0 ? undefined : new Date(Math.min(...times));
}
