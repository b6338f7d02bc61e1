// The version that package.json gives.
import { readFileSync } from "node:fs";

/** `package.json` is as far from src/cli as from dist/cli. */
export function version(): string {
  const manifest: unknown = JSON.parse(readFileSync(new URL("../../package.json", import.meta.url), "utf8"));
  return (manifest as { version: string }).version;
}
