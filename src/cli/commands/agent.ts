// `etcdsafe agent`
import { hostname } from "node:os";
import { Agent, type AgentEffects } from "../../agent/agent.ts";
import { startAgentServer } from "../../agent/http/server.ts";
import { Reloading } from "../../agent/reloading.ts";
import type { Config, ReadConfig } from "../../config/config.ts";
import { EtcdsafeError } from "../../errors.ts";
import { createMetrics } from "../../metrics/metrics.ts";
import { randomId } from "../../repository/names.ts";
import { openOrCreateRepository } from "../../repository/repository.ts";
import { takeWriterLease } from "../../repository/writer-lease.ts";
import type { Runtime } from "../../runtime.ts";
import { bindingGuard } from "../agent-binding.ts";
import { readAgentCatalogue } from "../agent-catalogue.ts";
import { agentFacts } from "../agent-facts.ts";
import { runEnd, runTask } from "../agent-runs.ts";
import { agentSettings, listenOptions, readAgain } from "../agent-settings.ts";
import type { Invocation } from "../command.ts";
import { inRepository } from "../in-repository.ts";
import { author, openNamedStorage } from "../repository.ts";
import { version } from "../version.ts";

/** How long another agent waits before it takes over from one that is gone. */
const LEASE_EXPIRES_AFTER_SECONDS = 30;

export async function run(invocation: Invocation): Promise<number> {
  const { runtime, signal } = invocation;
  const reloading = new Reloading({ runtime, refused: (messages) => agent.refused(messages) });
  using _ = onHangUp(() => reloading.askFor());
  const file = invocation.config.get("config");
  const take = async () => {
    const { config, faults } = await configurationOf(invocation);
    requireSame(first.config, config);
    Object.assign(live, { config, faults, settings: agentSettings(config) });
    agent.configured();
  };
  await reloading.watch({ name: "the configuration", files: file === undefined ? [] : [file], take });
  // It may have changed, and SIGHUP have told so, since the command line read it.
  const first = await configurationOf(invocation);
  const live = { ...first, settings: agentSettings(first.config) };
  const now = (): Invocation => ({ ...invocation, config: live.config, faults: live.faults });
  const metrics = createMetrics(version());
  const requireBound = bindingGuard();
  const effects: AgentEffects = {
    runtime: { ...runtime, randomId: () => randomId(runtime.randomBytes) },
    settings: () => live.settings,
    takeLease: async (options) => {
      const current = now();
      const storage = await openNamedStorage(inRepository({ ...current, ...options }, current.config.all("repository")[0]));
      const repository = await openOrCreateRepository(storage, await author(), { ...options, runtime });
      await requireBound(repository, { ...current, ...options });
      const request = { cluster: live.settings.cluster, purpose: "agent", author: await author(), expiresAfterSeconds: LEASE_EXPIRES_AFTER_SECONDS };
      return takeWriterLease(repository, request, { ...options, runtime });
    },
    run: async (kind, { onProgress, isAsked, ...options }) => {
      const reported = await runTask(kind, { ...now(), ...options, runtime: withProgress(runtime, onProgress) }, { isAsked });
      metrics.record(reported.facts);
      const { failure } = reported.facts;
      for (const line of reported.lines) runtime.log({ level: failure === null ? "info" : "warn", message: `${kind}: ${line}` });
      return runEnd(reported);
    },
    readCatalogue: async (options) => readAgentCatalogue({ ...now(), ...options }),
  };
  const metricsNow = async () => {
    metrics.recordAgent(await agentFacts(agent.status(), live.config));
    return metrics.text();
  };
  const agent = new Agent({ version: version(), host: hostname(), pid: process.pid }, effects);
  const served = { status: () => agent.status(), metrics: metricsNow, request: agent.request.bind(agent), job: agent.job.bind(agent) };
  await using server = await startAgentServer(served, listenOptions(first.config), { runtime });
  for (const each of server.reloadables) await reloading.watch(each);
  if (!signal.aborted) runtime.log({ level: "info", message: `the agent of ${live.settings.cluster} answers at ${server.url}` });
  const over = new AbortController();
  const reloaded = reloading.run(AbortSignal.any([signal, over.signal]));
  await agent.run(signal);
  over.abort();
  await reloaded;
  runtime.log({ level: "info", message: "the agent has stopped" });
  return 0;
}

/** As it is now. Throws what is wrong with it. */
async function configurationOf(invocation: Invocation): Promise<ReadConfig> {
  const read = await readAgain(invocation, invocation.environment);
  requireRepository(read.config);
  return read;
}

/** What the lease and the sockets were opened with. */
function requireSame(before: Config, after: Config): void {
  const changed = (["cluster", "repository", "state-url", "listen", "listen-cert", "listen-key", "listen-token-file"] as const).filter(
    (name) => JSON.stringify(before.all(name)) !== JSON.stringify(after.all(name)),
  );
  if (changed.length === 0) return;
  throw new EtcdsafeError("CONFIG_INVALID", `${changed.map((name) => `--${name}`).join(", ")} cannot change while the agent runs`, { hint: "Start it again." });
}

function requireRepository(config: Config): void {
  if (config.all("repository").length > 0) return;
  throw new EtcdsafeError("USAGE", "no repository is named", {
    hint: "Give --repository, ETCDSAFE_REPOSITORY, or the key repository of the file that --config names.",
  });
}

function onHangUp(listener: () => void): Disposable {
  process.on("SIGHUP", listener);
  return { [Symbol.dispose]: () => void process.off("SIGHUP", listener) };
}

function withProgress(runtime: Runtime, onProgress: Runtime["progress"]): Runtime {
  return { ...runtime, progress: onProgress };
}
