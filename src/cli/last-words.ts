// Why the process ended other than well, for whoever runs it in a container: Kubernetes shows it in the status of the pod.
import { EXIT_CODES } from "./exit-codes.ts";

/** Kubernetes' terminationMessagePath, where nobody says another. */
export const DEFAULT_TERMINATION_LOG = "/dev/termination-log";

/** `path`: none where nobody reads it. `message`: what ended it, and what it came to. Never throws: there is nobody left to tell. */
export async function leaveLastWords(path: string | undefined, exitCode: number, message: string): Promise<void> {
  if (exitCode === 0 || path === undefined) return;
  const meaning = EXIT_CODES.find(([codes]) => codes.split(", ").includes(String(exitCode)))?.[1] ?? "failure";
  const { writeTerminationMessage } = await import("../notify/termination-log.ts");
  await writeTerminationMessage(path, `exit code ${exitCode} (${meaning})${message === "" ? "" : `: ${message}`}\n`).catch(() => undefined);
}
