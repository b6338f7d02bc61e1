// `etcdsafe verify [BACKUP|FILE|-]`
import { tmpdir } from "node:os";
import { addAbortSignal } from "node:stream";
import { ERRORS } from "../../errors.ts";
import { verifyFile, verifyStream } from "../../verify/file.ts";
import type { Invocation } from "../command.ts";
import { CORRUPT, PARTLY_DONE } from "../exit-codes.ts";
import { orForeign, requireFileOrForeign } from "../foreign.ts";
import { readOperand } from "../operand.ts";
import { keysOf, provesOrigin, requireNoProof } from "../protection.ts";
import { type Unread, type Verified, verifiedText } from "../verified-text.ts";

export async function run(invocation: Invocation): Promise<number> {
  const verified = await verify(invocation);
  invocation.output.print({ verified }, () => verifiedText(verified));
  return exitCodeOf(verified);
}

async function verify(invocation: Invocation): Promise<Verified[]> {
  const { config, runtime, signal, operands } = invocation;
  const options = {
    runtime,
    signal,
    level: config.get("level"),
    spoolDirectory: config.get("spool-dir") ?? tmpdir(),
    stepPrefix: "",
    keys: await keysOf(invocation),
    atDefaultLevel: config.origin("level").kind === "default",
    provesOrigin: provesOrigin(config),
  };
  const wantsAll = config.get("all") || config.get("all-clusters");
  const operand = readOperand(operands[0] ?? "latest");
  if (operand.kind === "file") {
    const foreign = await requireFileOrForeign(operand.path, invocation);
    if (foreign !== undefined) return (await import("../verify-foreign.ts")).verifyForeignBackups(foreign, operand.path, invocation, options);
    requireNoProof(invocation, operand.path);
    return [await verifyFile(operand.path, options)];
  }
  if (operand.kind === "stdin") {
    requireNoProof(invocation, "-");
    return [await verifyStream("standard input", addAbortSignal(signal, process.stdin), options)];
  }
  const { verifyAll, verifyNamed } = await import("../verify-backups.ts");
  return orForeign<Verified[]>(
    invocation,
    async () => (wantsAll ? verifyAll(invocation, options) : [await verifyNamed(operand.reference, invocation, options)]),
    async (location) => {
      const { verifyForeignBackups } = await import("../verify-foreign.ts");
      return verifyForeignBackups(location, wantsAll ? undefined : operand.reference, invocation, options);
    },
  );
}

/** Bad is worse than unknown, and unknown is only part of it where others were read. */
function exitCodeOf(verified: readonly Verified[]): number {
  if (verified.some(({ outcome }) => outcome === "failed")) return CORRUPT;
  const unread = verified.filter((each): each is Unread => each.outcome === "not-verified");
  if (unread.length === 0) return 0;
  return unread.length < verified.length ? PARTLY_DONE : ERRORS[unread[0]!.failure.code as keyof typeof ERRORS].exit;
}
