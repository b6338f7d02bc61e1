// What an agent's options come to, and which changes of them it takes over while it runs.
import type { AgentSettings } from "../agent/agent.ts";
import type { ListenOptions } from "../agent/http/server.ts";
import { parseSchedule } from "../agent/schedule.ts";
import { type Config, type ReadConfig, readConfig } from "../config/config.ts";
import { throwFaults } from "../config/config-error.ts";
import { isAboutTelling } from "../config/reporting-options.ts";
import { EtcdsafeError } from "../errors.ts";
import { settleConflicts } from "./conflicts.ts";
import type { ParsedArguments } from "./program.ts";

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

/** The configuration as it is now, with faults in whom to tell alone. Throws all else that is wrong with it: then the one before stays. */
export async function readAgain(parsed: ParsedArguments, environment: NodeJS.ProcessEnv): Promise<ReadConfig> {
  const { config, faults } = await readConfig({ ...parsed, environment });
  throwFaults(faults.filter((fault) => !isAboutTelling(fault)));
  const settled = settleConflicts(config, parsed.command, parsed.operands, () => undefined);
  agentSettings(settled);
  return { config: settled, faults };
}
