// What Prometheus hears over hours and days, and which alerts then fire: as the unit tests that `promtool test rules` reads. Time begins at 0, so that a
// timestamp of a metric is a number of seconds since then.

/** A series' value at a time, both in seconds; undefined where there is no such series then. */
export type Values = (nowSeconds: number) => number | undefined;
export type SeriesMap = Readonly<Record<string, Values>>;

export interface Scenario {
  readonly name: string;
  readonly series: SeriesMap;
  /** Which alerts fire, all of them, by time: `NAME CLUSTER LABEL=VALUE …`. */
  readonly firing: Readonly<Record<string, readonly string[]>>;
  /** The whole of what an alert says, at a time. */
  readonly says?: {
    readonly at: string;
    readonly alert: string;
    readonly labels: Readonly<Record<string, string>>;
    readonly annotations: Readonly<Record<string, string>>;
  };
  /** How often Prometheus hears and looks; five minutes where left out. */
  readonly everyMinutes?: number;
}

const MINUTE = 60;
export const HOUR = 3600;
export const DAY = 86400;

/** As of the beginning of the interval: what a job says that ran then. */
export const every = (intervalSeconds: number, plusSeconds = 0): Values => {
  return (now) => Math.floor(now / intervalSeconds) * intervalSeconds + plusSeconds;
};
export const always =
  (value: number): Values =>
  () =>
    value;
/** Stands still from one time to another. */
export const standing = (values: Values, from: number, to = Number.POSITIVE_INFINITY): Values => {
  return (now) => values(now >= from && now < to ? from : now);
};
/** Other values from one time to another. */
export const between = (from: number, to: number, inside: Values, outside: Values = () => undefined): Values => {
  return (now) => (now >= from && now < to ? inside : outside)(now);
};

/** One test of promtool's. */
export function promtoolTest({ name, series, firing, says, everyMinutes = 5 }: Scenario): unknown {
  const stepSeconds = everyMinutes * MINUTE;
  const endSeconds = Math.max(...Object.keys(firing).map(secondsOf));
  const times = Array.from({ length: Math.floor(endSeconds / stepSeconds) + 1 }, (_, index) => index * stepSeconds);
  return {
    name,
    interval: `${everyMinutes}m`,
    input_series: Object.entries(series).map(([labels, values]) => ({ series: labels, values: notation(times.map(values)) })),
    promql_expr_test: Object.entries(firing).map(([time, alerts]) => ({
      expr: 'count by (alertname, cluster, action, reason, store) (ALERTS{alertstate="firing"})',
      eval_time: time,
      exp_samples: alerts.map((alert) => ({ labels: labelsOf(alert), value: 1 })),
    })),
    alert_rule_test:
      says === undefined ? [] : [{ eval_time: says.at, alertname: says.alert, exp_alerts: [{ exp_labels: says.labels, exp_annotations: says.annotations }] }],
  };
}

function labelsOf(alert: string): string {
  const [name = "", cluster, ...others] = alert.split(" ");
  const labels = [["alertname", name], ...(cluster === undefined || cluster === "" ? [] : [["cluster", cluster]]), ...others.map((each) => each.split("="))];
  return `{${labels.map(([label, value]) => `${label}="${value}"`).join(", ")}}`;
}

/** promtool's own: `3x4` is 3 and four more of it, `_x4` four times nothing. A series that ends says so, as Prometheus notes it when it no longer finds one. */
function notation(values: readonly (number | undefined)[]): string {
  const runs: { readonly value: number | undefined; count: number }[] = [];
  for (const value of values) {
    const last = runs.at(-1);
    if (last !== undefined && last.value === value) last.count++;
    else runs.push({ value, count: 1 });
  }
  const written = runs.map(({ value, count }, index) => {
    if (value !== undefined) return `${value}x${count - 1}`;
    const ends = index === 0 ? [] : ["stale"];
    const nothing = count - ends.length;
    return [...ends, ...(nothing > 0 ? [`_x${nothing}`] : [])].join(" ");
  });
  return written.join(" ");
}

/** Of promtool's durations: `1d2h30m`. */
function secondsOf(duration: string): number {
  const [, days = 0, hours = 0, minutes = 0] = /^(?:(\d+)d)?(?:(\d+)h)?(?:(\d+)m)?$/.exec(duration) ?? [];
  return Number(days) * DAY + Number(hours) * HOUR + Number(minutes) * MINUTE;
}
