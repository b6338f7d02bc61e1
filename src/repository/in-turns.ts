// Small documents are read several at a time: enough to hide how far away a store is, and few enough to be no burden to it.

const IN_FLIGHT = 8;

/** What `work` gives for each of `items`, in their order; the first failure ends it. */
export async function inTurns<T, R>(items: readonly T[], work: (item: T) => Promise<R>): Promise<R[]> {
  const results: R[] = [];
  for (let at = 0; at < items.length; at += IN_FLIGHT) results.push(...(await Promise.all(items.slice(at, at + IN_FLIGHT).map(work))));
  return results;
}
