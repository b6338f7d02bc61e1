// Joins CRC-32C checksums of neighbouring ranges without their bytes, so that the pages of a file can be hashed in the order they lie in
// and put together in the order of their keys. The mathematics of zlib's crc32_combine (crc32.c): a checksum is a polynomial over GF(2)
// modulo the Castagnoli polynomial; appending n zero bytes multiplies it by x^8n.

/** Castagnoli, bit-reversed. */
const POLYNOMIAL = 0x82f63b78;
/** Lengths below this have their x^8n remembered: most pages hold about as much as the one before. */
const REMEMBERED_LENGTH_MAX = 65_536;

/** A length has at most 53 bits, and is multiplied by 8. */
const EXPONENTS = 53 + 3;
/** x^(2^n), bit-reversed: the factors of every x^n. */
const POWERS = powersOfX();
const remembered = new Uint32Array(REMEMBERED_LENGTH_MAX);

/** The checksum of a‖b, from those of a and b. */
export function combineCrc32c(crcA: number, crcB: number, lengthB: number): number {
  return lengthB === 0 ? crcA : (multiply(zeroBytes(lengthB), crcA) ^ crcB) >>> 0;
}

/** The checksum of a sequence of ranges that arrive in order. */
export class RunningCrc32c {
  crc = 0;
  lengthBytes = 0;

  append(crc: number, lengthBytes: number): void {
    this.crc = combineCrc32c(this.crc, crc, lengthBytes);
    this.lengthBytes += lengthBytes;
  }
}

/** x^(8 * length). */
function zeroBytes(length: number): number {
  if (length >= REMEMBERED_LENGTH_MAX) return powerOfX(length);
  let power = remembered[length] as number;
  if (power === 0) {
    power = powerOfX(length);
    remembered[length] = power;
  }
  return power;
}

function powerOfX(lengthBytes: number): number {
  let product = 0x8000_0000; // x^0
  // Three is the power of two that makes bytes of bits.
  for (let rest = lengthBytes, exponent = 3; rest > 0; rest = Math.floor(rest / 2), exponent++) {
    if (rest % 2 === 1) product = multiply(POWERS[exponent] as number, product);
  }
  return product >>> 0;
}

/** Product of two bit-reversed polynomials modulo the Castagnoli polynomial. */
function multiply(a: number, b: number): number {
  let product = 0;
  let factor = b;
  for (let bit = 31; bit >= 0; bit--) {
    // Without branches: the bits of checksums are as good as random.
    product ^= factor & -((a >>> bit) & 1);
    factor = (factor >>> 1) ^ (POLYNOMIAL & -(factor & 1));
  }
  return product >>> 0;
}

function powersOfX(): Uint32Array {
  const powers = new Uint32Array(EXPONENTS);
  let power = 0x4000_0000; // x^1
  for (let exponent = 0; exponent < EXPONENTS; exponent++) {
    powers[exponent] = power;
    power = multiply(power, power);
  }
  return powers;
}
