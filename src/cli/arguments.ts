// Puts arguments into the order and form that commander expects, so that what etcdctl allows works here too: options before the verb,
// and booleans with a value (`--insecure-transport=false`).
import { OPTION_NAMES, type OptionName, optionSpec } from "../config/options.ts";

/** Every boolean gets its value, options before the first operand go behind the last one, and `help save` becomes `save --help`. */
export function arrangeArguments(argv: readonly string[]): string[] {
  const end = argv.indexOf("--");
  const rest = end < 0 ? [] : argv.slice(end);
  const before: string[] = [];
  const arranged: string[] = [];
  const tokens = end < 0 ? [...argv] : argv.slice(0, end);
  for (let token = tokens.shift(); token !== undefined; token = tokens.shift()) {
    const name = optionNamed(token);
    const target = arranged.length === 0 && name !== undefined ? before : arranged;
    if (name === undefined) target.push(token);
    else if (optionSpec(name).kind === "boolean") target.push(token.includes("=") ? token : `${token}=true`);
    else target.push(token, ...(takesNext(token) ? tokens.splice(0, 1) : []));
  }
  const all = [...arranged, ...before];
  return all[0] === "help" ? [...all.slice(1), "--help", ...rest] : [...all, ...rest];
}

/** The option that a token gives, with or without its value. */
function optionNamed(token: string): OptionName | undefined {
  const long = /^--([^=]+)/.exec(token)?.[1];
  if (long !== undefined) return OPTION_NAMES.find((name) => name === long);
  return OPTION_NAMES.find((name) => optionSpec(name).short !== undefined && token.startsWith(`-${optionSpec(name).short}`));
}

function takesNext(token: string): boolean {
  return token.startsWith("--") ? !token.includes("=") : token.length === 2;
}
