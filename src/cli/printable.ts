// Text from elsewhere (file names, keys, servers' messages) as it may be shown on a terminal: no control characters, so no escape sequences.

// biome-ignore lint/suspicious/noControlCharactersInRegex: these are the ones to remove.
const CONTROL = /[\u0000-\u0009\u000b-\u001f\u007f-\u009f\u2028\u2029]/g;

/** Line breaks stay; other control characters become `\xNN`. */
export function printable(text: string): string {
  return text.replace(CONTROL, (character) => `\\x${character.charCodeAt(0).toString(16).padStart(2, "0")}`);
}

/** The same on one line. */
export function printableLine(text: string): string {
  return printable(text.replaceAll("\n", "\\n"));
}
