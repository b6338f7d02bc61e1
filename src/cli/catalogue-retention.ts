// What help and docs/cli.md say about the commands of retention.
import type { CommandName } from "../config/option.ts";
import { BACKUP } from "./catalogue-operands.ts";
import type { CommandInfo } from "./command.ts";

type RetentionCommand = Extract<CommandName, "prune" | "pin" | "unpin">;

const A_BACKUP = { name: "backup", required: true, description: "which backup" };

export const RETENTION_COMMANDS: Readonly<Record<RetentionCommand, CommandInfo>> = {
  prune: {
    summary: "remove what a policy does not keep",
    description:
      "Shows for every backup whether it stays, with all the reasons; --yes removes the others. The rules come from the options, or else from the repository (`repo policy set`). Whatever the policy says, the newest proven backup stays, the newest unconfirmed one where it is newer, the newest --minimum good ones, what is pinned or locked, and what a kept point in time needs; what etcdsafe did not write, cannot read, or finds dated in the future is left alone. docs/retention.md",
    examples: [
      { line: "etcdsafe prune --repository /backup --keep-hourly 48 --keep-daily 30 --keep-monthly 12", does: "what would go" },
      { line: "etcdsafe prune --repository /backup --keep-hourly 48 --keep-daily 30 --keep-monthly 12 --yes", does: "and goes" },
      { line: "etcdsafe prune --repository s3://backups/etcd/prod --yes", does: "by the policy of the repository" },
    ],
    json: {
      "plan.cluster, .now, .nowFrom": "of what, and the moment that ages are counted from: by the clock of the `store` or the `host`",
      "plan.policy, .policyFrom": "docs/repository-format.md, “Prunes”; from `options` or the `repository`",
      "plan.keep[], .remove[]": "newest first, oldest first: `id`, `createdAt`, `timeline`, `revision`, `state`, `storedSizeBytes`, `reasons[]`",
      "plan.segments.keep[], .remove[]": "`key`, `storedSizeBytes`, `reasons[]`",
      "plan.left[]": "what is left alone: `key` (of a backup its id) and `reason`",
      "plan.unfinished[]": "ids of backups whose deletion another run has begun, which is finished first",
      result: "null without --yes; else",
      "result.removed[]": "`backup`, `reasons[]`, `storedSizeBytes`, `isHidden` (the store keeps versions, and frees them by its own rules)",
      "result.segmentsRemoved[]": "`timeline`, `firstRevision`, `lastRevision`, `storedSizeBytes`",
      "result.kept, .isHidden": "how many backups are left, and whether the store keeps versions",
      "result.finished[]": "ids of backups whose deletion was begun by another run",
      "result.left[]": "as in the plan, and what stayed because something had changed since",
      "result.failures[]": "`code`, `message`, `hint` of what could not be removed: exit code 3",
      "result.record": "the key of the record of this run",
    },
    load: () => import("./commands/prune.ts"),
  },
  pin: {
    summary: "keep a backup whatever the policy says",
    description: BACKUP,
    operands: [A_BACKUP],
    examples: [{ line: "etcdsafe pin latest --repository /backup --reason before-3.7", does: "until it is unpinned" }],
    json: { backup: "its id", pinned: "false where it was pinned already" },
    load: () => import("./commands/pin.ts"),
  },
  unpin: {
    summary: "let retention decide about a backup again",
    description: BACKUP,
    operands: [A_BACKUP],
    examples: [{ line: "etcdsafe unpin 20261121T093000Z --repository /backup", does: "by the beginning of its id" }],
    json: { backup: "its id", unpinned: "false where it was not pinned" },
    load: () => import("./commands/unpin.ts"),
  },
};
