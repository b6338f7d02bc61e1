// Once per run, for whoever has to repeat one that failed.
import { SEED } from "./counts.ts";

export default function printSeed(): void {
  process.stderr.write(`ETCDSAFE_TEST_SEED=${SEED}\n`);
}
