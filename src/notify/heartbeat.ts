// Pings of a service that alerts when they stay away, by the conventions of healthchecks.io: POST to URL/start when a run begins, to URL when it has
// done its work, to URL/<exit code> when it has not, with a short text as the body (https://healthchecks.io/docs/http_api/).
//
// Better Stack takes the same for the end of a run. Uptime Kuma's push URL takes the success, and alerts of a failure only because nothing comes: it
// answers 404 to the other two. Services that want the outcome in the query (Cronitor, Dead Man's Snitch) are not spoken to.

import { reportFailed, sendReport } from "../http/report.ts";
import type { HttpSend } from "../http/request.ts";
import type { CallOptions, Runtime } from "../runtime.ts";
import { cutToBytes } from "./cut.ts";

/** What every installation of Healthchecks keeps of a body; healthchecks.io itself keeps ten times as much. */
const BODY_SIZE_BYTES_MAX = 10_000;
/** How hc-ping.com says, with the status 200, that it does not know the URL, or has been pinged too often: "OK (not found)". */
const IGNORED = /^OK \(([^)]+)\)$/;
const IGNORED_HINT = "Check the URL: the check behind it may have been removed. More than five pings of one check within a minute are ignored too.";

/** The pings of one run. Both throw REPORT_FAILED where the service did not take the ping within 10 s. */
export interface Heartbeat {
  started(options: CallOptions): Promise<void>;
  ended(end: { readonly exitCode: number; readonly text: string }, options: CallOptions): Promise<void>;
}

/** `url`: one that requests can be sent to (src/config/hooks.ts). */
export function heartbeat(url: URL, sender: HttpSend, runtime: Pick<Runtime, "sleep" | "randomBytes">): Heartbeat {
  const base = new URL(url);
  // With one, overlapping runs of one check are told apart, and their durations are measured.
  if (!base.searchParams.has("rid")) base.search = `${base.search}${base.search === "" ? "?" : "&"}rid=${randomUuid(runtime.randomBytes(16))}`;
  const ping = async (to: URL, text: string, { signal }: CallOptions) => {
    const report = { what: "ping the heartbeat at", url: to, contentType: "text/plain; charset=utf-8", body: cutToBytes(text, BODY_SIZE_BYTES_MAX) };
    const said = await sendReport(report, sender, { signal, runtime });
    const [, why] = IGNORED.exec(said) ?? [];
    if (why !== undefined) throw reportFailed(report, `the ping was ignored: ${why}`, IGNORED_HINT);
  };
  return {
    started: (options) => ping(below(base, "start"), "", options),
    ended: ({ exitCode, text }, options) => ping(exitCode === 0 ? base : below(base, String(exitCode)), text, options),
  };
}

function below(base: URL, name: string): URL {
  const url = new URL(base);
  url.pathname = `${base.pathname.replace(/\/+$/, "")}/${name}`;
  return url;
}

/** RFC 9562 §5.4: version 4. */
function randomUuid(random: Uint8Array): string {
  const bytes = Buffer.from(random);
  bytes[6] = (bytes[6]! & 0x0f) | 0x40;
  bytes[8] = (bytes[8]! & 0x3f) | 0x80;
  return bytes.toString("hex").replace(/^(.{8})(.{4})(.{4})(.{4})/, "$1-$2-$3-$4-");
}
