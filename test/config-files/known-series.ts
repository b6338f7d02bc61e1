// Whether a query asks for what there is.
import { FAMILIES, type FamilyName } from "../../src/metrics/families.ts";

/** Those that Prometheus itself puts to every series. */
const TARGET_LABELS = ["job", "instance"];

const isFamily = (name: string): name is FamilyName => Object.hasOwn(FAMILIES, name);

export function familiesIn(query: string): readonly string[] {
  return [...new Set([...query.matchAll(/\betcdsafe_\w+/g)].map(([name]) => name))];
}

/** Metrics that do not exist; labels that the metric they are asked of does not have, or none of the query's. */
export function unknownIn(query: string): readonly string[] {
  const names = familiesIn(query);
  const unknown = names.filter((name) => !isFamily(name));
  const labelsOf = (name: string): readonly string[] => (isFamily(name) ? FAMILIES[name].labels : []);
  const all = [...names.flatMap(labelsOf), ...TARGET_LABELS];
  for (const [, name = "", matchers = ""] of query.matchAll(/\b(etcdsafe_\w+)\{([^}]*)\}/g)) {
    const asked = [...matchers.matchAll(/(\w+)\s*(?:=~|!~|!=|=)/g)].map(([, label = ""]) => label);
    unknown.push(...asked.filter((label) => ![...labelsOf(name), ...TARGET_LABELS].includes(label)).map((label) => `${name}{${label}}`));
  }
  for (const [, clause = "", labels = ""] of query.matchAll(/\b(by|on|without|ignoring|group_left|group_right) ?\(([^)]*)\)/g)) {
    const grouped = labels.split(",").map((label) => label.trim());
    unknown.push(...grouped.filter((label) => label !== "" && !all.includes(label)).map((label) => `${clause} (${label})`));
  }
  return unknown;
}
