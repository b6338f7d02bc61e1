// What a text in Prometheus' format says, read by rules of the test's own: every line must be a head or a sample of a family that has a head before it.

/** Each series (`name{label="value"}`, labels in the order of their names) and its value as printed. Throws for a line that is none, or is there twice. */
export function seriesOf(text: string): Record<string, string> {
  const series: Record<string, string> = {};
  const typed = new Set<string>();
  if (text !== "" && !text.endsWith("\n")) throw new Error("the last line has no end");
  for (const line of text.split("\n")) {
    const [, head, name = ""] = /^# (HELP|TYPE) ([a-z_]+) .+$/.exec(line) ?? [];
    if (head !== undefined && typed.has(`${head} ${name}`)) throw new Error(`twice: ${line}`);
    if (head !== undefined) typed.add(`${head} ${name}`);
    if (line === "" || line.startsWith("#")) continue;
    const [, family = "", labels = "", value = ""] = /^([a-z_]+)\{(.*)\} (-?[\d.]+(?:e[+-]?\d+)?)$/.exec(line) ?? [];
    if (!typed.has(`HELP ${family}`) || !typed.has(`TYPE ${family}`)) throw new Error(`no sample of a known family: ${line}`);
    const key = `${family}{${(labels.match(/[a-z_]+="(?:[^"\\]|\\.)*"/g) ?? []).sort().join(",")}}`;
    if (key in series) throw new Error(`twice: ${line}`);
    series[key] = value;
  }
  return series;
}
