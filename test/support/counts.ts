// How much the randomised tests do: a little in `npm test`, everything in `npm run test:slow`.

const FULL = process.env["ETCDSAFE_TEST_FULL"] === "1";

/** Seed of every randomised test; a failing run prints it, and ETCDSAFE_TEST_SEED repeats it. */
export const SEED = Number(process.env["ETCDSAFE_TEST_SEED"] ?? 20261121);

export function runs(quick: number, full: number): number {
  return FULL ? full : quick;
}
