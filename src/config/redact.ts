// Option values as they may be shown: without secrets.
import { formatDuration } from "./duration.ts";
import { type OptionName, optionSpec } from "./options.ts";
import { formatRate } from "./rate.ts";

const REDACTED = "(redacted)";

/** As a user would write it; secrets, and passwords after a user's name, are replaced. */
export function shownValue(name: OptionName, value: string | number | boolean | readonly string[]): string {
  if (optionSpec(name).kind === "secret") return REDACTED;
  if (optionSpec(name).kind === "hook")
    return String(value).replace(/^(https?:\/\/[^/?#@]*)(?=[/?#]|$).*$|^.*$/is, (_, origin) => (origin === undefined ? REDACTED : `${origin}/${REDACTED}`));
  if (typeof value === "number") return shownNumber(name, value);
  if (typeof value === "boolean") return String(value);
  if (name === "user") return String(value).replace(/:.*$/s, `:${REDACTED}`);
  return (typeof value === "string" ? [value] : value).map(withoutCredentials).join(",");
}

function shownNumber(name: OptionName, value: number): string {
  const { kind } = optionSpec(name);
  return kind === "count" ? String(value) : kind === "rate" ? formatRate(value) : formatDuration(value);
}

/** A URL's user and password, and the values of its query, which some stores sign requests with. */
function withoutCredentials(text: string): string {
  if (!text.includes("://")) return text;
  return text.replace(/:\/\/[^/]*@/, `://${REDACTED}@`).replace(/([?&][^=&]+=)[^&]*/g, `$1${REDACTED}`);
}
