// What the Date header of an answer tells of the clock of who answers.

/** It counts whole seconds (RFC 9110 §6.6.1). */
const RESOLUTION_MS = 1000;

/** The middle of what the time may be now, after a request that took `tookMs`: of the second that the header names, and of the way there and back. */
export function clockReading(date: string | undefined, tookMs: number): { readonly time: Date; readonly uncertaintyMs: number } {
  const uncertaintyMs = (RESOLUTION_MS + tookMs) / 2;
  return { time: new Date(Date.parse(date ?? "") + uncertaintyMs), uncertaintyMs };
}
