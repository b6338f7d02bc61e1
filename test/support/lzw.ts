// LZW as Go's compress/lzw writes it: LSB order, 8-bit literals (compress/lzw/writer.go).

const CLEAR = 256;
const END = 257;
const CODE_MAX = 4095;

/** With `clears` false the table is left full when it is, as other writers do: then nothing is defined any more. */
export function encodeLzw(bytes: Uint8Array, { clears = true } = {}): Uint8Array {
  const packed: number[] = [];
  let bits = 0;
  let bitCount = 0;
  let width = 9;
  let last = END;
  let codes = new Map<number, number>();
  const write = (code: number) => {
    bits |= code << bitCount;
    for (bitCount += width; bitCount >= 8; bitCount -= 8) {
      packed.push(bits & 0xff);
      bits >>>= 8;
    }
  };
  const define = (key: number | undefined) => {
    if (!clears && last >= CODE_MAX) return;
    last++;
    if (last === 1 << width && width < 12) width++;
    if (clears && last === CODE_MAX) {
      write(CLEAR);
      width = 9;
      last = END;
      codes = new Map();
    } else if (key !== undefined) codes.set(key, last);
  };
  write(CLEAR);
  let code: number | undefined;
  for (const byte of bytes) {
    if (code === undefined) {
      code = byte;
      continue;
    }
    const key: number = (code << 8) | byte;
    const known = codes.get(key);
    if (known !== undefined) {
      code = known;
      continue;
    }
    write(code);
    code = byte;
    define(key);
  }
  if (code !== undefined) {
    write(code);
    define(undefined);
  }
  write(END);
  if (bitCount > 0) packed.push(bits & 0xff);
  return Uint8Array.from(packed);
}
