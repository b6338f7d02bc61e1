import { defineConfig } from "vitest/config";

// Full counts and big files. One worker: several of these measure memory or fill a disk.
export default defineConfig({
  test: {
    include: ["test/slow/**/*.test.ts"],
    globalSetup: ["test/support/print-seed.ts", "test/support/default-ports.ts"],
    pool: "forks",
    maxWorkers: 1,
    execArgv: ["--no-wasm-code-gc"], // As vitest.config.ts.
    testTimeout: 3_600_000,
    hookTimeout: 600_000,
  },
});
