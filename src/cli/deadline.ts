// A limit on how long a command may take.
import { EtcdsafeError, whyStopped } from "../errors.ts";

/** Runs `work` with a signal that also fires, with `onExceeded`'s error, after `limitMs`; undefined sets no limit. */
export async function withDeadline<T>(
  limitMs: number | undefined,
  signal: AbortSignal,
  message: string,
  work: (signal: AbortSignal) => Promise<T>,
): Promise<T> {
  if (limitMs === undefined) return work(signal);
  const controller = new AbortController();
  const timer = setTimeout(() => controller.abort(new EtcdsafeError("DEADLINE_EXCEEDED", message)), limitMs);
  try {
    return await work(AbortSignal.any([signal, controller.signal]));
  } catch (error) {
    // Whatever failed after the limit failed because of it.
    throw controller.signal.aborted && !signal.aborted ? whyStopped(error, controller.signal) : error;
  } finally {
    clearTimeout(timer);
  }
}
