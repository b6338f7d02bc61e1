// URLs that are secrets themselves: whoever knows one may ping or post there. Of such a URL nothing is ever told but its origin.
import { EtcdsafeError } from "../errors.ts";

const HINT = "Give the whole URL as its service shows it, on one line, with http:// or https:// in front.";
/** Of longer parts, so many characters in a row tell too much. */
const TELLING_LENGTH = 8;
/** Shorter parts occur in any text: they count only as words. */
const SHORT_LENGTH_MAX = 3;

/** `what` names it in the message: "the heartbeat's URL". Throws CONFIG_INVALID, which repeats nothing of it. */
export function secretUrl(what: string, text: string): URL {
  const trimmed = text.trim();
  // The parser would leave out line breaks, and join what was never one URL.
  const url = !/[\s\p{Cc}]/u.test(trimmed) && URL.canParse(trimmed) ? new URL(trimmed) : undefined;
  if (url === undefined || !/^https?:$/.test(url.protocol)) throw unusable(`${what} is none that begins with http:// or https://`);
  if (decoded(url.username) === undefined || decoded(url.password) === undefined)
    throw unusable(`${what} has a % in its user or password that is not percent-encoded`);
  return url;
}

/** Whether a text repeats anything of a URL besides its origin, as servers do that say what they did not find. */
export function tellsOf(url: URL, text: string): boolean {
  const said = `${text}\n${decoded(text) ?? ""}`.toLowerCase();
  return partsOf(url).some((part) => (part.length <= SHORT_LENGTH_MAX ? hasWord(said, part) : windowsOf(part).some((window) => said.includes(window))));
}

function partsOf({ username, password, pathname, search }: URL): readonly string[] {
  const credentials = Buffer.from(`${decoded(username)}:${decoded(password)}`).toString("base64"); // As the header of the request has them.
  const parts = [username, password, ...(username + password === "" ? [] : [credentials]), ...pathname.split("/"), ...search.split(/[?&=]/)];
  return parts.flatMap((part) => [part, decoded(part) ?? ""]).flatMap((part) => (part === "" ? [] : [part.toLowerCase()]));
}

function windowsOf(part: string): readonly string[] {
  if (part.length <= TELLING_LENGTH) return [part];
  return Array.from({ length: part.length - TELLING_LENGTH + 1 }, (_, at) => part.slice(at, at + TELLING_LENGTH));
}

function hasWord(text: string, word: string): boolean {
  return text.split(/[^\p{L}\p{N}]+/u).includes(word);
}

function decoded(text: string): string | undefined {
  try {
    return decodeURIComponent(text);
  } catch {
    return undefined;
  }
}

function unusable(why: string): EtcdsafeError {
  return new EtcdsafeError("CONFIG_INVALID", `${why}; it is not repeated here, as it is a secret`, { hint: HINT });
}
