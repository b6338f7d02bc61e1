// Metrics for a Prometheus Pushgateway (https://github.com/prometheus/pushgateway, "API"), which keeps the last push of each group. A group is a job and a
// subject (subject.ts), and a POST replaces the families that it names and leaves the group's others: so every run adds to what those before it said.
import { EtcdsafeError } from "../errors.ts";
import { type ReportOptions, sendReport } from "../http/report.ts";
import type { HttpSend } from "../http/request.ts";
import { type Family, parseExposition, renderExposition } from "./exposition.ts";
import { subjectKey, subjectOf } from "./subject.ts";

const CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8";

export interface Push {
  /** Where the Pushgateway answers, its route prefix included. */
  readonly url: string;
  readonly job: string;
  /** Of metrics.ts. */
  readonly text: string;
}

/**
 * One request for each subject, in turn, each as src/http/report.ts bounds it. Throws REPORT_FAILED, with nothing of the URL but its origin; of several
 * requests those before it stand.
 */
export async function pushMetrics({ url, job, text }: Push, send: HttpSend, options: ReportOptions): Promise<void> {
  if (!URL.canParse(url)) throw new EtcdsafeError("CONFIG_INVALID", "the URL of the Pushgateway is none");
  const base = new URL(url);
  for (const { subject, families } of groupsOf(text)) {
    const path = [["job", job] as const, ...subject].map(pathSegments).join("");
    const group = {
      what: "push the metrics to",
      url: new URL(`${base.origin}${base.pathname.replace(/\/+$/, "")}/metrics${path}`),
      secret: base,
      contentType: CONTENT_TYPE,
      body: Buffer.from(renderExposition(families)),
    };
    await sendReport(group, send, options);
  }
}

interface Group {
  readonly subject: ReturnType<typeof subjectOf>;
  readonly families: readonly Family[];
}

function groupsOf(text: string): readonly Group[] {
  const each = [...parseExposition(text).families.values()].flatMap((family) => family.series.map((series) => ({ family, series })));
  return [...Map.groupBy(each, ({ series }) => subjectKey(series.labels)).values()].map((group) => ({
    subject: subjectOf(group[0]!.series.labels),
    families: [...Map.groupBy(group, ({ family }) => family)].map(([family, members]) => ({ ...family, series: members.map(({ series }) => series) })),
  }));
}

/** What could be taken for another path goes as base64. */
function pathSegments([name, value]: readonly [string, string]): string {
  return /^[\w-][\w.-]*$/.test(value) ? `/${name}/${value}` : `/${name}@base64/${Buffer.from(value).toString("base64url")}`;
}
