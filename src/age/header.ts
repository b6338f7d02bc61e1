// The text header of an age file: bytes ↔ stanzas, strictly as the format has it, and the MAC over them. No keys are wrapped here.
import { createHmac, hkdfSync, timingSafeEqual } from "node:crypto";
import { FormatError } from "../errors.ts";
import { BODY_LINE_SIZE_BYTES, HEADER_SIZE_BYTES_MAX, MAC_SIZE_BYTES, STANZAS_MAX, VERSION_LINE } from "./constants.ts";

/** The file key, wrapped in one way. */
export interface Stanza {
  readonly type: string;
  readonly args: readonly string[];
  readonly body: Uint8Array;
}

export interface AgeHeader {
  readonly stanzas: readonly Stanza[];
  /** From the version line to the `---` of the last one: what the MAC covers. */
  readonly covered: Uint8Array;
  readonly mac: Uint8Array;
  /** All of it. */
  readonly bytes: Uint8Array;
}

const LINE_FEED = 0x0a;
const BODY_LINE_LENGTH = (BODY_LINE_SIZE_BYTES / 3) * 4;

/**
 * The header that `bytes` begin with; `name` is for messages. Throws OBJECT_TRUNCATED where they end before it does, OBJECT_CORRUPT for anything that
 * is no header of age v1, or one beyond the limits.
 */
export function parseHeader(bytes: Uint8Array, name: string): AgeHeader {
  const lines = new Lines(bytes, name);
  if (lines.next() !== VERSION_LINE) throw lines.fault("it is no file of age v1");
  const stanzas: Stanza[] = [];
  for (;;) {
    const line = lines.next();
    if (line.startsWith("--- ")) {
      const mac = unbase64(line.slice(4));
      if (mac?.length !== MAC_SIZE_BYTES || stanzas.length === 0) throw lines.fault("the end of its header is malformed");
      return { stanzas, covered: bytes.subarray(0, lines.lineStart + 3), mac, bytes: bytes.subarray(0, lines.position) };
    }
    const [arrow, type, ...args] = line.split(" ");
    if (arrow !== "->" || type === undefined || [type, ...args].some((arg) => !/^[!-~]+$/.test(arg))) throw lines.fault("a line of its header is malformed");
    stanzas.push({ type, args, body: readBody(lines) });
    if (stanzas.length > STANZAS_MAX) throw lines.fault(`its header has more than ${STANZAS_MAX} recipients`);
  }
}

/** The whole header, MAC and final line feed included. */
export function encodeHeader(stanzas: readonly Stanza[], fileKey: Uint8Array): Uint8Array {
  const covered = `${[VERSION_LINE, ...stanzas.map(encodeStanza)].join("\n")}\n---`;
  return Buffer.from(`${covered} ${base64(macOf(Buffer.from(covered), fileKey))}\n`);
}

/** Whether the header was made by somebody who knew the file key. */
export function isAuthentic({ covered, mac }: AgeHeader, fileKey: Uint8Array): boolean {
  return timingSafeEqual(mac, macOf(covered, fileKey));
}

/** Without padding, as everywhere in age. */
export function base64(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString("base64").replaceAll("=", "");
}

/** Undefined for anything but the one text that `base64` gives for some bytes. */
export function unbase64(text: string): Uint8Array | undefined {
  const bytes = Buffer.from(text, "base64");
  return base64(bytes) === text ? bytes : undefined;
}

function macOf(covered: Uint8Array, fileKey: Uint8Array): Uint8Array {
  const key = hkdfSync("sha256", fileKey, "", "header", MAC_SIZE_BYTES);
  return createHmac("sha256", new Uint8Array(key)).update(covered).digest();
}

function encodeStanza({ type, args, body }: Stanza): string {
  const lines = [`-> ${[type, ...args].join(" ")}`];
  // A body of whole lines ends with an empty one.
  for (let at = 0; at <= body.length; at += BODY_LINE_SIZE_BYTES) lines.push(base64(body.subarray(at, at + BODY_LINE_SIZE_BYTES)));
  return lines.join("\n");
}

function readBody(lines: Lines): Uint8Array {
  const parts: Uint8Array[] = [];
  for (;;) {
    const line = lines.next();
    const part = line.length <= BODY_LINE_LENGTH ? unbase64(line) : undefined;
    if (part === undefined) throw lines.fault("the body of a recipient in its header is malformed");
    parts.push(part);
    if (line.length < BODY_LINE_LENGTH) return Buffer.concat(parts);
  }
}

class Lines {
  /** Where the line begins that was read last, and where the next one does. */
  lineStart = 0;
  position = 0;
  readonly #bytes: Uint8Array;
  readonly #name: string;

  constructor(bytes: Uint8Array, name: string) {
    this.#bytes = bytes.subarray(0, HEADER_SIZE_BYTES_MAX);
    this.#name = name;
  }

  /** One character per byte, so that what is not ASCII stays visible as such. */
  next(): string {
    const end = this.#bytes.indexOf(LINE_FEED, this.position);
    this.lineStart = this.position;
    if (end < 0) {
      if (this.#bytes.length === HEADER_SIZE_BYTES_MAX) throw this.fault(`its header is longer than ${HEADER_SIZE_BYTES_MAX} bytes, or it has none`);
      throw new FormatError("OBJECT_TRUNCATED", `${this.#name} ends within its age header`, this.#bytes.length);
    }
    this.position = end + 1;
    return Buffer.from(this.#bytes.subarray(this.lineStart, end)).toString("latin1");
  }

  fault(what: string): FormatError {
    return new FormatError("OBJECT_CORRUPT", `${this.#name}: ${what}`, this.lineStart);
  }
}
