// Rows of the table of options: whom a run tells how it went.
import type { OptionSpec } from "./option.ts";
import type { Fault } from "./origin.ts";

/** Any of these asks for it. */
export const TOLD_BY = ["textfile", "pushgateway", "heartbeat", "heartbeat-file", "notify", "notify-file"] as const;
/** Those of whose runs somebody can be told. */
export const REPORTED = ["save", "verify", "prune"] as const;

/** Whether it is about whom to tell: what was asked for can be done all the same. */
export function isAboutTelling({ key }: Fault): boolean {
  return TOLD_BY.some((name) => name === key);
}

export const REPORTING_OPTIONS = {
  textfile: {
    kind: "path",
    placeholder: "FILE",
    pattern: { regex: /\.prom$/, is: "a name that ends in .prom: node_exporter reads no other" },
    group: "Reporting",
    commands: REPORTED,
    description:
      "Write metrics for node_exporter's textfile collector: FILE.prom in the directory that it reads. What earlier runs wrote there, of other clusters too, stays until it is news.",
  },
  pushgateway: {
    kind: "url",
    placeholder: "URL",
    group: "Reporting",
    commands: REPORTED,
    description: "Add the run's metrics to those of a Prometheus Pushgateway.",
  },
  heartbeat: {
    kind: "hook",
    placeholder: "URL",
    group: "Reporting",
    commands: REPORTED,
    description:
      "Ping this URL at the start, URL/start, at the end, URL, and after a failure, URL/<exit code>, as healthchecks.io takes it. One with a path is a secret, and refused here: give --heartbeat-file.",
  },
  "heartbeat-file": {
    kind: "secret-file",
    placeholder: "FILE",
    group: "Reporting",
    commands: REPORTED,
    description: "File that holds that URL: whoever knows it can say that all is well.",
  },
  notify: {
    kind: "hook",
    placeholder: "URL",
    group: "Reporting",
    commands: REPORTED,
    description:
      "Post what failed, or wants to be looked at, to this webhook, as Slack takes it. That it cannot be reached is a warning. One with a path is a secret, and refused here: give --notify-file.",
  },
  "notify-file": {
    kind: "secret-file",
    placeholder: "FILE",
    group: "Reporting",
    commands: REPORTED,
    description: "File that holds that URL.",
  },
  jitter: {
    kind: "duration",
    placeholder: "DURATION",
    atLeast: "1ms",
    atMost: "24h",
    group: "What to do",
    commands: REPORTED,
    defaultText: "none",
    description: "Wait a random part of this time first, so that many clusters' jobs of one schedule do not all begin at once.",
  },
} as const satisfies Record<string, OptionSpec>;
