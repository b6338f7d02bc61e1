// Why the process ended other than well, for whoever runs it in a container: Kubernetes shows it in the status of the pod.
import { EXIT_CODES } from "./exit-codes.ts";

/** Kubernetes' terminationMessagePath, where nobody says another. */
const DEFAULT_PATH = "/dev/termination-log";

/** `message`: what ended it, or was logged last as worth a warning. Never throws: there is nobody left to tell. */
export async function leaveLastWords(path: string | undefined, exitCode: number, message: string): Promise<void> {
  if (exitCode === 0) return;
  const meaning = EXIT_CODES.find(([codes]) => codes.split(", ").includes(String(exitCode)))?.[1] ?? "failure";
  const { writeTerminationMessage } = await import("../notify/termination-log.ts");
  await writeTerminationMessage(path ?? DEFAULT_PATH, `exit code ${exitCode} (${meaning})${message === "" ? "" : `: ${message}`}\n`).catch(() => undefined);
}
