import { defineConfig } from "vitest/config";

// Files run one after another in forked processes: the machine has two cores, and every end-to-end test starts servers of its own.
export default defineConfig({
  test: {
    include: ["test/**/*.test.ts"],
    exclude: ["test/slow/**", "node_modules/**"],
    globalSetup: ["test/support/print-seed.ts", "test/support/default-ports.ts"],
    pool: "forks",
    maxWorkers: 2,
    // For bin/etcdsafe.js's reason: tests start worker threads that are sources, too.
    execArgv: ["--no-wasm-code-gc"],
    // What ends a test that hangs, and no measure of speed: on a busy machine whole processes take many times as long.
    testTimeout: 240_000,
    hookTimeout: 240_000,
    teardownTimeout: 20_000,
  },
});
