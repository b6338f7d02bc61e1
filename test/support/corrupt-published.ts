// Preloaded into a command (`--import`): the disk of its local repository changes a byte of every snapshot right before the manifest is published.
import fs, { readFileSync, writeFileSync } from "node:fs";
import { syncBuiltinESMExports } from "node:module";
import { dirname, join } from "node:path";

for (const name of ["link", "rename"] as const) {
  const inner = fs.promises[name];
  fs.promises[name] = async (from, to) => {
    if (String(to).endsWith("/manifest.json")) {
      const path = join(dirname(String(to)), "snapshot.db.zst");
      const bytes = readFileSync(path);
      writeFileSync(path, bytes.with(100, bytes[100]! ^ 1));
    }
    await inner(from, to);
  };
}
syncBuiltinESMExports();
