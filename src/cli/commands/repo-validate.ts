// `etcdsafe repo validate`
import { type Validation, type Verdict, validateStores } from "../../repository/validation.ts";
import type { Invocation } from "../command.ts";
import { CORRUPT, PARTLY_DONE } from "../exit-codes.ts";
import { table } from "../output.ts";
import { lockOf, openNamedStores } from "../repository.ts";

const EXIT_OF: Readonly<Record<Verdict, number>> = { good: 0, limited: PARTLY_DONE, unfit: CORRUPT };

const MEANING: Readonly<Record<Verdict, string>> = {
  good: "Everything that etcdsafe promises holds there.",
  limited: "Backups can be saved and restored there, but not everything else works, or could be tried: see above what.",
  unfit: "Do not keep backups there as things are: see above why.",
};

const NEEDED_FOR: Readonly<Record<Validation["trials"][number]["neededFor"], string>> = {
  everything: "saving and restoring",
  "several-writers": "recording, several hosts",
  removal: "prune, gc, rewriting",
  past: "--as-of",
  nothing: "",
};

export async function run(invocation: Invocation): Promise<number> {
  const stores = await openNamedStores(invocation);
  const validation = await validateStores({ ...stores, lock: lockOf(invocation) }, invocation);
  invocation.output.print(validation, () => validationText(validation));
  return EXIT_OF[validation.verdict];
}

function validationText({ location, stateLocation, verdict, trials, leftBehind }: Validation): string {
  const shown = table(trials, [
    ...(stateLocation === null ? [] : [{ title: "store", of: ({ store }: (typeof trials)[number]) => store }]),
    { title: "trial", of: ({ name }) => name },
    { title: "outcome", of: ({ outcome }) => (outcome === "fails" ? "FAILS" : outcome) },
    { title: "needed for", of: ({ neededFor }) => NEEDED_FOR[neededFor] },
    { title: "what was seen", of: ({ detail }) => detail },
  ]);
  const left = leftBehind.length === 0 ? "" : `\nLeft behind, or not known to be gone:\n${leftBehind.map((key) => `  ${key}\n`).join("")}`;
  return `${location}${stateLocation === null ? "" : `, its state in ${stateLocation}`}\n\n${shown}${left}\n${verdict}: ${MEANING[verdict]}\n`;
}
