// HTML as a template of which every value is escaped: ids, tags and error messages may hold anything.

/** Made by `html` alone: what is in it is markup, and safe. */
class Html {
  readonly markup: string;
  constructor(markup: string) {
    this.markup = markup;
  }
}

export type { Html };

export type Content = Html | string | number | null | undefined | false | readonly Content[];

/** Values are for text and for attributes in double quotes; nowhere else may one stand. */
export function html(parts: TemplateStringsArray, ...values: readonly Content[]): Html {
  return new Html(String.raw({ raw: parts }, ...values.map(markupOf)));
}

/** Of constants in this folder only. */
export function trusted(markup: string): Html {
  return new Html(markup);
}

function markupOf(value: Content): string {
  if (value instanceof Html) return value.markup;
  if (Array.isArray(value)) return value.map(markupOf).join("");
  if (value === null || value === undefined || value === false) return "";
  return escaped(String(value));
}

const ENTITIES: Readonly<Record<string, string>> = { "&": "&amp;", "<": "&lt;", ">": "&gt;", '"': "&quot;", "'": "&#39;", "`": "&#96;" };
/** What no document may hold, and what turns the direction of the text around it (Unicode, UAX #9). Tabs and line breaks stay. */
// biome-ignore lint/suspicious/noControlCharactersInRegex: these are the ones to show.
const INVISIBLE = /[\u0000-\u0008\u000b-\u001f\u007f-\u009f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ufeff\ufffe\uffff]/g;

function escaped(text: string): string {
  return text
    .toWellFormed()
    .replace(INVISIBLE, (character) => `\\u{${character.charCodeAt(0).toString(16)}}`)
    .replace(/[&<>"'`]/g, (character) => ENTITIES[character]!);
}
