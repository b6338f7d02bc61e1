// A message to people, as Slack's incoming webhooks take it, and Mattermost, Rocket.Chat and Discord (with /slack behind its URL) after them.
import { type ReportOptions, sendReport } from "../http/report.ts";
import type { HttpSend } from "../http/request.ts";
import { cutEscaped } from "./cut.ts";

/** Slack shows more behind a link only. */
const TEXT_LENGTH_MAX = 3000;
/** https://docs.slack.dev/messaging/formatting-message-text: these three begin its links and mentions. */
const ESCAPED: Readonly<Record<string, string>> = { "&": "&amp;", "<": "&lt;", ">": "&gt;" };

export interface Notice {
  /** The first line. */
  readonly title: string;
  readonly lines: readonly string[];
}

/** At least once: whose answer is lost is sent again. `url`: as the heartbeat's. Throws REPORT_FAILED where it was not taken within 10 s. */
export async function postNotice(url: URL, { title, lines }: Notice, sender: HttpSend, options: ReportOptions): Promise<void> {
  const text = cutEscaped([title, ...lines].join("\n"), TEXT_LENGTH_MAX, (character) => ESCAPED[character] ?? character);
  const report = {
    what: "post to the webhook at",
    url,
    contentType: "application/json; charset=utf-8",
    body: Buffer.from(JSON.stringify({ text })),
  };
  await sendReport(report, sender, options);
}
