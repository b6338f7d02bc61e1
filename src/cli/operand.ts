// What the operand of verify and restore means: a stored backup, a file, or standard input.

export type Operand = { readonly kind: "backup"; readonly reference: string } | { readonly kind: "file"; readonly path: string } | { readonly kind: "stdin" };

/** Backup ids begin with the digits of a date; nothing else but `latest` and `oldest` is taken for a backup, so that a file needs no option. */
export function readOperand(text: string): Operand {
  if (text === "-") return { kind: "stdin" };
  return /^(latest|oldest|\d[0-9TZa-z-]*)$/.test(text) ? { kind: "backup", reference: text } : { kind: "file", path: text };
}
