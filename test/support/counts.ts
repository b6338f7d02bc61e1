// How much the randomised tests do: a little in `npm test`, everything in `npm run test:slow`.

const FULL = process.env["ETCDSAFE_TEST_FULL"] === "1";

/** All random data of tests comes from this seed; every run prints it (print-seed.ts), and ETCDSAFE_TEST_SEED repeats it. What only has to differ, such as names, does not. */
export const SEED = Number(process.env["ETCDSAFE_TEST_SEED"] ?? 20261121);

export function runs(quick: number, full: number): number {
  return FULL ? full : quick;
}
