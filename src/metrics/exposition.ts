// Prometheus' text format 0.0.4 (https://prometheus.io/docs/instrumenting/exposition_formats/), as far as a textfile and a Pushgateway ask for it: lines by
// family, with the labels of each. Values stay the text that they are.

/** A family's lines. */
export interface Family {
  readonly name: string;
  /** HELP and TYPE. */
  readonly head: readonly string[];
  readonly series: readonly Series[];
}

export interface Series {
  readonly labels: Readonly<Record<string, string>>;
  /** Without its line break. */
  readonly line: string;
}

export interface Exposition {
  readonly families: ReadonlyMap<string, Family>;
  /** Lines that are neither of this format nor comments; one that has no end is among them: it may have been cut. */
  readonly unreadable: number;
}

const COMMENT = /^#(?! HELP | TYPE )/;
const HEAD = /^# (?:HELP|TYPE) ([a-zA-Z_:][a-zA-Z0-9_:]*)(?: .*)?$/;
/** Name, labels, value, time. */
const SAMPLE = /^([a-zA-Z_:][a-zA-Z0-9_:]*)[ \t]*(?:\{(.*)\})?[ \t]+([-+]?(?:\d+\.?\d*(?:e[-+]?\d+)?|inf)|nan)(?:[ \t]+-?\d+)?[ \t]*$/i;
const LABEL = /[ \t]*([a-zA-Z_][a-zA-Z0-9_]*)[ \t]*=[ \t]*"((?:[^"\\]|\\["\\n])*)"[ \t]*(?:,|$)/y;

export function parseExposition(text: string): Exposition {
  const families = new Map<string, { name: string; head: string[]; series: Series[] }>();
  let unreadable = 0;
  const familyOf = (name: string) => families.get(name) ?? families.set(name, { name, head: [], series: [] }).get(name)!;
  const lines = text.split("\n");
  if (lines.pop() !== "") unreadable++;
  for (const line of lines) {
    if (line.trim() === "" || COMMENT.test(line)) continue;
    const [, headOf] = HEAD.exec(line) ?? [];
    const [, name, labelsText = ""] = SAMPLE.exec(line) ?? [];
    const labels = parseLabels(labelsText);
    if (headOf !== undefined) familyOf(headOf).head.push(line);
    else if (name !== undefined && labels !== undefined) familyOf(name).series.push({ labels, line });
    else unreadable++;
  }
  return { families, unreadable };
}

export function renderExposition(families: Iterable<Family>): string {
  return [...families].flatMap(({ head, series }) => [...head, ...series.map(({ line }) => line)].map((line) => `${line}\n`)).join("");
}

function parseLabels(text: string): Record<string, string> | undefined {
  const labels: Record<string, string> = {};
  for (LABEL.lastIndex = 0; LABEL.lastIndex < text.length; ) {
    const [, name, value] = LABEL.exec(text) ?? [];
    if (name === undefined || value === undefined || Object.hasOwn(labels, name)) return undefined;
    labels[name] = value.replace(/\\(.)/g, (_, escaped: string) => (escaped === "n" ? "\n" : escaped));
  }
  return labels;
}
