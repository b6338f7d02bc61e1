// `etcdsafe verify [BACKUP|FILE|-]`
import { tmpdir } from "node:os";
import { addAbortSignal } from "node:stream";
import { ERRORS } from "../../errors.ts";
import { verifyFile, verifyStream } from "../../verify/file.ts";
import type { NotVerified } from "../../verify/verify.ts";
import type { Invocation } from "../command.ts";
import { CORRUPT, PARTLY_DONE } from "../exit-codes.ts";
import { readOperand, requireSnapshotFile } from "../operand.ts";
import { type Verified, verifiedText } from "../verified-text.ts";

export async function run(invocation: Invocation): Promise<number> {
  const verified = await verify(invocation);
  invocation.output.print({ verified }, () => verifiedText(verified));
  return exitCodeOf(verified);
}

async function verify(invocation: Invocation): Promise<Verified[]> {
  const { config, runtime, signal, operands } = invocation;
  const options = { runtime, signal, level: config.get("level"), spoolDirectory: config.get("spool-dir") ?? tmpdir(), stepPrefix: "" };
  const wantsAll = config.get("all") || config.get("all-clusters");
  const operand = readOperand(operands[0] ?? "latest");
  if (operand.kind === "file") {
    await requireSnapshotFile(operand.path, invocation);
    return [await verifyFile(operand.path, options)];
  }
  if (operand.kind === "stdin") return [await verifyStream("standard input", addAbortSignal(signal, process.stdin), options)];
  const { verifyAll, verifyNamed } = await import("../verify-backups.ts");
  return wantsAll ? verifyAll(invocation, options) : [await verifyNamed(operand.reference, invocation, options)];
}

/** Bad is worse than unknown, and unknown is only part of it where others were read. */
function exitCodeOf(verified: readonly Verified[]): number {
  if (verified.some(({ outcome }) => outcome === "failed")) return CORRUPT;
  const unread = verified.filter((each): each is NotVerified => each.outcome === "not-verified");
  if (unread.length === 0) return 0;
  return unread.length < verified.length ? PARTLY_DONE : ERRORS[unread[0]!.failure.code as keyof typeof ERRORS].exit;
}
