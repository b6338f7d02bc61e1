// `etcdsafe verify [BACKUP|FILE|-]`
import { addAbortSignal } from "node:stream";
import { hasCode } from "../../errors.ts";
import { verifyFile, verifyStream } from "../../verify/file.ts";
import type { VerifyOptions } from "../../verify/options.ts";
import type { Invocation } from "../command.ts";
import { CORRUPT, PARTLY_DONE } from "../exit-codes.ts";
import { orForeign, requireFileOrForeign } from "../foreign.ts";
import { type Operand, readOperand, requireSnapshotFile } from "../operand.ts";
import { requireNoProof } from "../protection.ts";
import { asEtcdsafeError } from "../report-error.ts";
import { exitCodeOfFailure, isBad, type Unread, type Verified, verifiedText } from "../verified-text.ts";
import { verifyOptions } from "../verify-options.ts";
import { noteDamage, noteVerification } from "../verify-record.ts";
import { openReport, type VerifyReport } from "../verify-report.ts";

export async function run(invocation: Invocation): Promise<number> {
  const { output, runtime, signal } = invocation;
  const report = await openReport(invocation);
  const verified = await verify(invocation, report).catch(async (error: unknown) => {
    await report.failed(signal.aborted ? signal.reason : error); // Whatever failed after a signal failed because of it.
    throw error;
  });
  output.print({ verified }, () => verifiedText(verified));
  noteVerification(invocation, verified, exitCodeOf);
  const exitCode = exitCodeOf(verified);
  try {
    await report.verified(verified);
  } catch (error) {
    if (exitCode === 0) throw error;
    runtime.log({ level: "error", message: asEtcdsafeError(error).message }); // What was found is more.
  }
  await noteDamage(invocation, verified);
  return exitCode;
}

/** A report of an earlier run would be taken for that of this one. Throws FILE_FAILED. */
export async function notBegun(invocation: Invocation): Promise<void> {
  await (await openReport(invocation)).failed(invocation.signal.reason);
}

async function verify(invocation: Invocation, report: VerifyReport): Promise<readonly Verified[]> {
  const { config, signal, operands } = invocation;
  const atDefaultLevel = config.origin("level").kind === "default";
  const options = { ...(await verifyOptions(invocation, config.get("level"))), atDefaultLevel };
  const operand = readOperand(operands[0] ?? "latest");
  if (operand.kind === "stdin") {
    requireNoProof(invocation, "-");
    return [await verifyStream("standard input", addAbortSignal(signal, process.stdin), options)];
  }
  if (operand.kind === "file" && (await isFile(operand.path, invocation))) {
    requireNoProof(invocation, operand.path);
    return [await verifyFile(operand.path, options)];
  }
  const { clusterOf, inEachRepository } = await import("../verify-repositories.ts");
  return inEachRepository(invocation, options.level, (one) => {
    const passedOver = (message: string) => report.passedOver({ repository: one.config.get("repository") ?? "", cluster: clusterOf(one), message });
    return verifyStored(one, operand, { ...options, passedOver });
  });
}

/** Backups of the one repository, or the one place of another tool's, that the invocation names. */
async function verifyStored(
  invocation: Invocation,
  operand: Exclude<Operand, { readonly kind: "stdin" }>,
  options: VerifyOptions & { passedOver(message: string): void },
): Promise<Verified[]> {
  const { config } = invocation;
  const { verifyForeignBackups } = await import("../verify-foreign.ts");
  if (operand.kind === "file") {
    const location = await requireFileOrForeign(operand.path, invocation);
    return location === undefined ? [await verifyFile(operand.path, options)] : verifyForeignBackups(location, operand.path, invocation, options);
  }
  const wantsSeveral = config.get("all") || config.get("all-clusters") || config.get("since") !== undefined;
  const { verifyAll, verifyNamed } = await import("../verify-backups.ts");
  return orForeign<Verified[]>(
    invocation,
    async () => (wantsSeveral ? verifyAll(invocation, options) : verifyNamed(operand.reference, invocation, options)),
    (location) => verifyForeignBackups(location, wantsSeveral ? undefined : operand.reference, invocation, options),
  );
}

/** Whether it is a file, and not the name of another tool's backup. Throws as requireSnapshotFile for all else that is there. */
async function isFile(path: string, invocation: Invocation): Promise<boolean> {
  try {
    await requireSnapshotFile(path, invocation);
    return true;
  } catch (error) {
    if (!hasCode(error, "FILE_NOT_FOUND") || invocation.config.get("repository") === undefined) throw error;
    return false;
  }
}

/** Bad is worse than unknown, and unknown is only part of it where others were read. */
function exitCodeOf(verified: readonly Verified[]): number {
  if (verified.some(isBad)) return CORRUPT;
  const unread = verified.filter((each): each is Unread => each.outcome === "not-verified");
  if (unread.length === 0) return 0;
  return unread.length < verified.length ? PARTLY_DONE : exitCodeOfFailure(unread[0]!.failure);
}
