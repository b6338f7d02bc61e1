// Reads a YAML file as text: every scalar as it was written, so that `member: 12e4` is a name and not a number. Meaning is given by the schemas of
// config-file.ts and members-file.ts. One document, no aliases, no tags.
import { readFile, stat } from "node:fs/promises";
import { isAlias, isMap, isScalar, isSeq, LineCounter, type Node, type ParsedNode, parseDocument } from "yaml";
import { privateKeyIn } from "./file-content.ts";
import { type Fault, WHOLE_FILE } from "./origin.ts";
import { whyUnreadable } from "./unreadable.ts";

const SIZE_BYTES_MAX = 1024 * 1024;
/** After the first few, what the parser finds is mostly their consequence. */
const SYNTAX_FAULTS_MAX = 3;
const NESTED_TOO_DEEPLY = "is nested too deeply";

/** Objects, arrays and texts; null where nothing was written. */
export type YamlText = string | null | readonly YamlText[] | { readonly [key: string]: YamlText };

export interface YamlFile {
  /** Undefined where `faults` say that it could not be read. */
  readonly tree: YamlText | undefined;
  readonly faults: readonly Fault[];
  /** The line, from 1, of a key or item of the tree; of the nearest thing around it that is there. */
  lineOf(path: readonly PropertyKey[]): number;
}

/** Never throws: what is wrong, including a file that cannot be read, is in `faults`. */
export async function readYamlFile(path: string): Promise<YamlFile> {
  try {
    const { size } = await stat(path);
    if (size > SIZE_BYTES_MAX) return unreadable(path, `is ${size} bytes long; ${SIZE_BYTES_MAX} are the limit`);
    const text = asUtf8(await readFile(path));
    return text === undefined ? unreadable(path, "is not a text file") : parseYaml(path, text);
  } catch (error) {
    return unreadable(path, error instanceof RangeError ? NESTED_TOO_DEEPLY : `cannot be read: ${whyUnreadable(error)}`);
  }
}

function parseYaml(path: string, text: string): YamlFile {
  const lines = new LineCounter();
  const lineAt = (offset: number) => Math.max(1, lines.linePos(offset).line);
  const document = parseDocument(text, { lineCounter: lines, prettyErrors: false });
  const fault = (offset: number, what: string): Fault => ({
    origin: { kind: "file", path, line: lineAt(offset) },
    text: privateKeyIn(what) === undefined ? what : "is not understood, and holds a private key",
  });
  if (document.errors.some(({ message }) => message.startsWith("Maximum call stack"))) return unreadable(path, NESTED_TOO_DEEPLY);
  const faults = [...document.errors, ...document.warnings]
    .slice(0, SYNTAX_FAULTS_MAX)
    .map(({ code, pos, message }) => fault(pos[0], syntaxText(code, message, text.slice(pos[0]))));
  const root = document.contents;
  const tree = faults.length > 0 ? undefined : asText(root, (node, what) => faults.push(fault(node.range?.[0] ?? 0, what)));
  return { tree: faults.length > 0 ? undefined : tree, faults, lineOf: (where) => lineAt(offsetOf(root, where)) };
}

function asUtf8(bytes: Uint8Array): string | undefined {
  if (bytes.includes(0)) return undefined;
  try {
    return new TextDecoder("utf-8", { fatal: true }).decode(bytes);
  } catch {
    return undefined;
  }
}

/** `there`: what the file holds from that place on. */
function syntaxText(code: string, message: string, there: string): string {
  if (code === "MULTIPLE_DOCS") return "a second document begins here; only one is understood";
  const [, key] = /^["']?([\w.-]{1,64})["']?\s*:/.exec(there) ?? [];
  return code === "DUPLICATE_KEY" && key !== undefined ? `${key} is there a second time` : withoutContent(code, message);
}

/** The parser quotes what it stumbled over, however long, and be it the password of a file that was named by mistake. */
function withoutContent(code: string, message: string): string {
  return code === "UNEXPECTED_TOKEN" ? message.replace(/: .*$/s, "") : message;
}

function asText(node: Node | null, refuse: (node: Node, what: string) => void): YamlText {
  if (node === null) return null;
  if (isScalar(node)) return node.value === null ? null : (node.source ?? String(node.value));
  if (isSeq<Node>(node)) return node.items.map((item) => asText(item, refuse));
  if (isMap<Node, Node | null>(node)) {
    return Object.fromEntries(
      node.items.map(({ key, value }) => {
        if (!isScalar(key)) refuse(key, "a key must be a plain text");
        return [isScalar(key) ? (key.source ?? String(key.value)) : "", asText(value, refuse)];
      }),
    );
  }
  refuse(node, isAlias(node) ? `the alias *${node.source} is not understood here: write the value out` : "is not understood");
  return null;
}

function offsetOf(root: ParsedNode | null, path: readonly PropertyKey[]): number {
  let node: Node | null = root;
  let offset = root?.range[0] ?? 0;
  for (const step of path) {
    if (isMap<Node, Node | null>(node)) {
      const pair = node.items.find(({ key }) => isScalar(key) && (key.source ?? String(key.value)) === step);
      if (pair === undefined) break;
      offset = pair.key.range?.[0] ?? offset;
      node = pair.value;
    } else if (isSeq<Node>(node)) {
      const item: Node | undefined = node.items[Number(step)];
      if (item === undefined) break;
      offset = item.range?.[0] ?? offset;
      node = item;
    } else break;
  }
  return offset;
}

function unreadable(path: string, text: string): YamlFile {
  return { tree: undefined, faults: [{ origin: { kind: "file", path, line: WHOLE_FILE }, text }], lineOf: () => 1 };
}
