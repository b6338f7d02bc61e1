// What a series is about. The one rule by which runs add to what earlier ones said, in memory, in a textfile and in a Pushgateway alike: what is said of a
// family about a subject replaces all that was said of that family about that subject; everything else stays.

/** In the order of a Pushgateway's grouping key. Other labels tell the parts of one statement (states, phases, stores), which is only replaced as a whole. */
const SUBJECT_LABELS = ["cluster", "action", "level", "reason"] as const;

/** Those of its labels that say what it is about. */
export function subjectOf(labels: Readonly<Record<string, string | undefined>>): readonly (readonly [string, string])[] {
  return SUBJECT_LABELS.flatMap((name) => {
    const value = labels[name] ?? ""; // To Prometheus, an empty label is none.
    return value === "" ? [] : [[name, value] as const];
  });
}

export function subjectKey(labels: Readonly<Record<string, string | undefined>>): string {
  return JSON.stringify(subjectOf(labels));
}
