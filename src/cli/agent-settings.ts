// What an agent's options come to, and which changes of them it takes over while it runs.
import { readFile } from "node:fs/promises";
import type { AgentSettings } from "../agent/agent.ts";
import type { ListenOptions } from "../agent/http/server.ts";
import { parseSchedule } from "../agent/schedule.ts";
import { type Config, readConfig } from "../config/config.ts";
import { throwFaults } from "../config/config-error.ts";
import { EtcdsafeError } from "../errors.ts";
import { settleConflicts } from "./conflicts.ts";
import type { ParsedArguments } from "./program.ts";

const FILE_POLL_MS = 5_000;

/** Throws CONFIG_INVALID. */
export function agentSettings(config: Config): AgentSettings {
  const timezone = config.get("schedule-timezone");
  const scheduleOf = (name: "save-schedule" | "verify-schedule" | "prune-schedule") => {
    const text = config.get(name);
    return text === undefined ? null : parseSchedule(config.said(name), text, timezone);
  };
  const schedules = { save: scheduleOf("save-schedule"), verify: scheduleOf("verify-schedule"), prune: scheduleOf("prune-schedule") };
  return { cluster: config.get("cluster"), repositories: config.all("repository"), schedules, timezone };
}

/** Throws CONFIG_INVALID. */
export function listenOptions(config: Config): ListenOptions {
  const text = config.get("listen");
  const [, host = "", digits = ""] = /^(.*):(\d+)$/.exec(text)!;
  const port = Number(digits);
  if (port > 65_535) throw new EtcdsafeError("CONFIG_INVALID", `${config.said("listen")}: ${port} is no port`);
  const [certFile, keyFile] = [config.get("listen-cert"), config.get("listen-key")];
  if ((certFile === undefined) !== (keyFile === undefined))
    throw new EtcdsafeError("CONFIG_INVALID", `${config.said(certFile === undefined ? "listen-key" : "listen-cert")} is given alone`, {
      hint: "Give both, or none.",
    });
  const tls = certFile === undefined || keyFile === undefined ? undefined : { certFile, keyFile };
  return { host: host === "" ? "::" : host.replace(/^\[|\]$/g, ""), port, tls, tokenFile: config.get("listen-token-file") };
}

export interface ConfigurationWatch extends Disposable {
  /** Resolves when a file has another content than before, or SIGHUP came; never rejects. */
  changed(signal: AbortSignal): Promise<void>;
}

/** Files of which another content is another configuration; all other files are read by each run. */
export function watchedFiles(config: Config): string[] {
  return [config.get("config"), config.get("listen-cert"), config.get("listen-key")].filter((path) => path !== undefined);
}

/** Of these files. One that is being replaced, and is not there for a moment, is looked at again. */
export function watchConfiguration(paths: readonly string[], sleep: (delayMs: number, signal: AbortSignal) => Promise<void>): ConfigurationWatch {
  let hangUps = 0;
  let seen = 0;
  let wake: () => void = () => undefined;
  const onHangUp = () => {
    hangUps++;
    wake();
  };
  process.on("SIGHUP", onHangUp);
  const contentsOf = async () => {
    const contents = await Promise.all(paths.map((path) => readFile(path, "latin1").catch(() => undefined)));
    return contents.includes(undefined) ? undefined : JSON.stringify(contents);
  };
  let known = contentsOf();
  return {
    changed: async (signal) => {
      while (!signal.aborted) {
        const woken = new AbortController();
        wake = () => woken.abort();
        if (hangUps === seen) await sleep(FILE_POLL_MS, AbortSignal.any([signal, woken.signal])).catch(() => undefined);
        const [before, now] = [await known, await contentsOf()];
        known = Promise.resolve(now ?? before);
        if (hangUps === seen && (now === undefined || now === before)) continue;
        seen = hangUps;
        return;
      }
    },
    [Symbol.dispose]: () => void process.off("SIGHUP", onHangUp),
  };
}

/** The configuration as it is now. Throws what is wrong with it: then the one before stays. */
export async function readAgain(parsed: ParsedArguments, environment: NodeJS.ProcessEnv): Promise<Config> {
  const { config, faults } = await readConfig({ ...parsed, environment });
  throwFaults(faults);
  const settled = settleConflicts(config, parsed.command, parsed.operands, () => undefined);
  agentSettings(settled);
  return settled;
}
