// Small documents are read several at a time: enough to hide how far away a store is, and few enough to be no burden to it.

const IN_FLIGHT = 8;

/** What `work` gives for each of `items`, in their order; at most `inFlight` of them at a time. The first failure ends it. */
export async function inTurns<T, R>(items: readonly T[], work: (item: T) => Promise<R>, inFlight: number = IN_FLIGHT): Promise<R[]> {
  const results = new Array<R>(items.length);
  let next = 0;
  const goOn = async (): Promise<void> => {
    while (next < items.length) {
      const at = next++;
      try {
        results[at] = await work(items[at]!);
      } catch (error) {
        next = items.length; // Nobody begins another.
        throw error;
      }
    }
  };
  await Promise.all(Array.from({ length: Math.min(inFlight, items.length) }, goOn));
  return results;
}
