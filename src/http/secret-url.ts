// URLs that are secrets themselves: whoever knows one may ping or post there. Of such a URL nothing is ever told but its origin.
import { percentDecoded } from "./percent-encoding.ts";

/** Of longer parts, so many characters in a row tell too much. */
const TELLING_LENGTH = 8;
/** Shorter parts occur in any text: they count only as words. */
const SHORT_LENGTH_MAX = 3;

/** Whether a text repeats anything of a URL besides its origin, as servers do that say what they did not find. */
export function tellsOf(url: URL, text: string): boolean {
  const said = `${text}\n${percentDecoded(text) ?? ""}`.toLowerCase();
  return partsOf(url).some((part) => (part.length <= SHORT_LENGTH_MAX ? hasWord(said, part) : windowsOf(part).some((window) => said.includes(window))));
}

function partsOf({ username, password, pathname, search }: URL): readonly string[] {
  const credentials = Buffer.from(`${percentDecoded(username)}:${percentDecoded(password)}`).toString("base64"); // As the header of the request has them.
  const parts = [username, password, ...(username + password === "" ? [] : [credentials]), ...pathname.split("/"), ...search.split(/[?&=]/)];
  return parts.flatMap((part) => [part, percentDecoded(part) ?? ""]).flatMap((part) => (part === "" ? [] : [part.toLowerCase()]));
}

function windowsOf(part: string): readonly string[] {
  if (part.length <= TELLING_LENGTH) return [part];
  return Array.from({ length: part.length - TELLING_LENGTH + 1 }, (_, at) => part.slice(at, at + TELLING_LENGTH));
}

function hasWord(text: string, word: string): boolean {
  return text.split(/[^\p{L}\p{N}]+/u).includes(word);
}
