import { expect, test } from "vitest";
import { kubernetesWarnings } from "../../src/backup/kubernetes.ts";

const facts = (objects: number, encrypted: number) => ({ objects, encrypted, providers: ["aescbc"] });

test("kubernetes: what brings the cluster back is asked for only where there is one, and where it is not in the bundle", () => {
  expect(kubernetesWarnings(facts(0, 0), undefined)).toEqual([]);
  expect(kubernetesWarnings(facts(3, 0), undefined)).toEqual([expect.stringMatching(/certificates and keys are not in the backup/)]);
  expect(kubernetesWarnings(facts(3, 0), ["certificate"])).toHaveLength(1);
  expect(kubernetesWarnings(facts(3, 0), ["certificate", "private-key"])).toEqual([]);
  expect(kubernetesWarnings(facts(3, 2), ["certificate", "private-key"])).toEqual([expect.stringMatching(/^2 values are encrypted at rest \(aescbc\)/)]);
  expect(kubernetesWarnings(facts(0, 2), ["certificate", "private-key", "encryption-configuration"])).toEqual([]);
});
