// What help and docs/cli.md say about the agent.
import type { CommandInfo } from "./command.ts";

export const AGENT_COMMAND: Readonly<Record<"agent", CommandInfo>> = {
  agent: {
    summary: "save, verify and prune by schedules, until it is stopped",
    description:
      "One process for one etcd cluster, with the options of save, verify and prune. What was missed is caught up by one run; no run overlaps another of its kind; one that failed is tried again, after a minute and then ever later, or when it would be anyway. Several agents may run: the holder of the cluster's writer lease works, the others stand by and take over. Certificates, tokens and keys are read again for each run. SIGHUP, or a change of the file that --config names, reads the configuration again; one that is wrong is refused, and the old one kept. SIGTERM stops it within ten seconds. docs/agent.md",
    examples: [
      {
        line: "etcdsafe agent --repository s3://backups/etcd/prod --recipient age1… --save-schedule @hourly --verify-schedule @daily --prune-schedule @daily",
        does: "saves hourly, reads back and prunes nightly, by the repository's policy",
      },
      { line: "etcdsafe agent --config /etc/etcdsafe/agent.yaml --listen :9379 --listen-token-file /etc/etcdsafe/token", does: "as a file says" },
    ],
    json: { "(none)": "the agent prints no document: /status has it (docs/agent-http.md), and its log, with --log-format json, one object per line" },
    load: () => import("./commands/agent.ts"),
  },
};
