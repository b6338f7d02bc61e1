// What help and docs/cli.md say about the agent, and about the command that asks whether it is alive.
import type { CommandInfo } from "./command.ts";

export const AGENT_COMMANDS: Readonly<Record<"agent" | "health", CommandInfo>> = {
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
  health: {
    summary: "ask the agent on this host whether it is alive",
    description:
      "One request, GET /healthz, to where --listen says, over TLS with --listen-cert: the agent's own options. It is sent from this host to this host, never by a proxy; of the certificate nothing is checked, as no secret goes there and the answer is no more than that somebody answers. Exit code 1 where none comes within 5 s, or another than 200. With a process, that one's arguments count: an agent is asked where they say, and an etcdsafe that does something else is alive as long as it runs. So the image's health check asks for process 1, and calls no container unhealthy in which a save runs.",
    operands: [{ name: "process", required: false, description: "number of the process that is the agent" }],
    examples: [
      { line: "etcdsafe health", does: "the agent at 127.0.0.1:9379, or where the environment says" },
      { line: "etcdsafe health 1", does: "in a container, whatever runs there" },
    ],
    json: {
      url: "where the agent answered; null where the process is an etcdsafe that does something else",
      command: "what the process does: `agent`, or another command",
    },
    load: () => import("./commands/health.ts"),
  },
};
