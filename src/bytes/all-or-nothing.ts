// Two pieces of work side by side, neither of which is left behind when the other fails.

/** Both results, once both have ended; or a failure, the first one's before the second one's. */
export async function allOrNothing<A, B>(a: Promise<A>, b: Promise<B>): Promise<[A, B]> {
  await Promise.allSettled([a, b]);
  return [await a, await b];
}
