// Texts made to fit where only so much may be written.

const ELLIPSIS = "…";

/** The text's UTF-8, of which no character is cut in two; what is too long ends with an ellipsis instead. */
export function cutToBytes(text: string, sizeBytesMax: number): Uint8Array {
  const whole = Buffer.from(text);
  if (whole.length <= sizeBytesMax) return whole;
  let end = sizeBytesMax - Buffer.byteLength(ELLIPSIS);
  while ((whole[end]! & 0b1100_0000) === 0b1000_0000) end--; // Inside a character: RFC 3629 §3.
  return Buffer.concat([whole.subarray(0, end), Buffer.from(ELLIPSIS)]);
}

/** At most so many UTF-16 units of `text`, each character replaced by what `escaped` makes of it: nothing that it made is cut. */
export function cutEscaped(text: string, lengthMax: number, escaped: (character: string) => string): string {
  let cut = "";
  let fitting = "";
  for (const character of text) {
    cut += escaped(character);
    if (cut.length > lengthMax) return fitting + ELLIPSIS;
    if (cut.length <= lengthMax - ELLIPSIS.length) fitting = cut;
  }
  return cut;
}
