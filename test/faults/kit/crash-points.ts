// Preload of a child process (`node --import …/crash-points.ts`) that counts what the process does to files, in all its threads, and kills it
// at the effect it was told to: SIGKILL, so that nothing is flushed, closed or tidied. It patches node:fs, so that no code has hooks for tests.
// Not covered: effects outside node:fs (sockets, native modules), and the loss of unsynced pages that a power failure brings.
import fs from "node:fs";
import { syncBuiltinESMExports } from "node:module";
import { getEnvironmentData, isMainThread, setEnvironmentData } from "node:worker_threads";
import { CRASH_VARIABLE, type CrashOrder, effectMatches, type RecordedEffect } from "./crash-effects.ts";
import { patchFileSystem, type Watcher } from "./patched-fs.ts";

const COUNTER = "etcdsafe crash counter";
const order = process.env[CRASH_VARIABLE];

if (order !== undefined) {
  const watcher = order.startsWith("record:") ? recorder(order.slice("record:".length)) : { notice: killer(JSON.parse(order)), ended: () => undefined };
  await patchFileSystem({ ...watcher, die });
  syncBuiltinESMExports();
}

function recorder(path: string): Pick<Watcher, "notice" | "ended"> {
  const { openSync, writeSync } = fs; // Unpatched still.
  const record = openSync(path, "a");
  const write = (effect: RecordedEffect): undefined => void writeSync(record, `${JSON.stringify(effect)}\n`);
  return { notice: write, ended: (effect) => write({ ...effect, ended: true }) };
}

function killer(order: CrashOrder): Watcher["notice"] {
  const counter = sharedCounter();
  return (effect) => {
    if (!effectMatches(effect, order) || Atomics.add(counter, 0, 1) + 1 !== order.at) return undefined;
    if (order.when === "before") die();
    return order.when;
  };
}

/** One count for all threads: workers get it as environment data when they start. */
function sharedCounter(): Int32Array {
  if (isMainThread) setEnvironmentData(COUNTER, new SharedArrayBuffer(4));
  return new Int32Array(getEnvironmentData(COUNTER) as unknown as SharedArrayBuffer);
}

function die(): never {
  process.kill(process.pid, "SIGKILL");
  for (;;) Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0); // The signal may take a moment; nothing more happens in this thread.
}
