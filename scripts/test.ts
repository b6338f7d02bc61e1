// `npm test`: everything static, then all etcd versions, the servers of stores and age, then the tests. `npm run check` stops after the static part; `npm run test:slow` runs
// all tests at full counts and the big ones. Other arguments name test files: only these run.
import { existsSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { provisionAge, provisionAgeVectors } from "./provision/age.ts";
import { provisionChromium } from "./provision/chromium.ts";
import { provisionFakeGcsServer } from "./provision/fake-gcs-server.ts";
import { provisionHelm } from "./provision/helm.ts";
import { provisionKubernetesApi, provisionKustomize, provisionPrometheusOperatorApi } from "./provision/kustomize.ts";
import { provisionPromtool } from "./provision/promtool.ts";
import { provisionPushgateway } from "./provision/pushgateway.ts";
import { provisionVersitygw } from "./provision/versitygw.ts";
import { ETCD_MINORS, provisionEtcd, systemEtcd34 } from "./provision.ts";
import { nodeStep, runSteps, type Step } from "./steps.ts";

const root = fileURLToPath(new URL("..", import.meta.url));
const args = process.argv.slice(2);
const files = args.filter((arg) => !arg.startsWith("--"));
const slow = args.includes("--slow");
const staticOnly = args.includes("--static-only");
const unknown = args.find((arg) => arg.startsWith("--") && !["--slow", "--static-only"].includes(arg));

if (unknown === undefined) process.exitCode = await main();
else {
  process.stderr.write(`etcdsafe: unknown argument ${unknown}; see scripts/test.ts\n`);
  process.exitCode = 2;
}

async function main(): Promise<number> {
  const startedAt = performance.now();
  const exitCode = await runSteps(steps());
  const seconds = Math.round((performance.now() - startedAt) / 1000);
  process.stdout.write(
    `\n${exitCode === 0 ? "All steps passed" : "Stopped at the step that failed"} after ${Math.floor(seconds / 60)} min ${seconds % 60} s.\n`,
  );
  return exitCode;
}

function steps(): Step[] {
  if (staticOnly) return staticSteps();
  if (files.length > 0) return [...provisioning(), vitest("the tests named", ...files)];
  if (!slow) return [...staticSteps(), ...provisioning(), vitest("tests")];
  const full = vitest("tests at full counts", "--testTimeout=3600000", "--hookTimeout=600000");
  return [...provisioning(), full, vitest("slow tests", "--config", "vitest.slow.config.ts")];
}

function staticSteps(): Step[] {
  const step = (name: string, ...command: string[]) => nodeStep(name, command, { cwd: root });
  const all = [
    step("format and lint (biome)", "node_modules/@biomejs/biome/bin/biome", "check", "--error-on-warnings", "."),
    step("types (tsc)", "node_modules/typescript/bin/tsc"),
    step("nothing unused (knip)", "node_modules/knip/bin/knip.js"),
    step("package-lock.json is complete", "scripts/complete-lock.ts", "--check"),
    step("build", "scripts/build.ts"),
    step("package (publint)", "node_modules/publint/src/cli.js", "--strict"),
  ];
  return existsSync(`${root}scripts/docs.ts`) ? [...all, step("generated documentation is up to date", "scripts/docs.ts", "--check")] : all;
}

function provisioning(): Step[] {
  const built = ETCD_MINORS.map((minor) => ({ name: `etcd ${minor} is at hand`, run: () => provisionEtcd(minor).then(() => 0) }));
  const at = (name: string, provision: () => Promise<unknown>): Step => ({ name: `${name} at hand`, run: () => provision().then(() => 0) });
  return [
    ...built,
    { name: "etcd 3.4 looked for", run: reportEtcd34 },
    at("versitygw is", provisionVersitygw),
    at("fake-gcs-server is", provisionFakeGcsServer),
    at("pushgateway is", provisionPushgateway),
    at("chromium is", provisionChromium),
    at("promtool is", provisionPromtool),
    at("kustomize is", provisionKustomize),
    at("helm is", provisionHelm),
    at("the API of Kubernetes is", provisionKubernetesApi),
    at("the API of the Prometheus Operator is", provisionPrometheusOperatorApi),
    at("age is", provisionAge),
    at("age's test vectors are", provisionAgeVectors),
  ];
}

async function reportEtcd34(): Promise<number> {
  const found = await systemEtcd34();
  const missing = "etcd 3.4 is not installed: its tests are not part of this run (its system package, or ETCDSAFE_ETCD_3_4, adds them).";
  process.stdout.write(found === undefined ? `${missing}\n` : `etcd 3.4: ${found.etcd}\n`);
  return 0;
}

function vitest(name: string, ...more: readonly string[]): Step {
  const command = ["node_modules/vitest/vitest.mjs", "run", "--reporter=default", "--reporter=./scripts/count-reporter.ts", ...more];
  return nodeStep(name, command, { cwd: root, loud: true, env: slow ? { ETCDSAFE_TEST_FULL: "1" } : {} });
}
