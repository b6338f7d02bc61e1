// Tells a pipeline what `verify` found: annotations where GitHub Actions reads them, and the file that --junit names.
import { ERRORS } from "../errors.ts";
import type { Invocation } from "./command.ts";
import type { PassedOver } from "./junit.ts";
import { asEtcdsafeError } from "./report-error.ts";
import type { Verified } from "./verified-text.ts";

export interface VerifyReport {
  passedOver(told: PassedOver): void;
  /** Throws FILE_FAILED. */
  verified(verified: readonly Verified[]): Promise<void>;
  /** The same for a run that ends with an error, unless that is of the arguments or the configuration. Never throws. */
  failed(error: unknown): Promise<void>;
}

/** Throws FILE_FAILED where the file that is asked for could not be written. */
export async function openReport({ config, environment, operands, runtime }: Invocation): Promise<VerifyReport> {
  const path = config.get("junit");
  const toGithub = environment["GITHUB_ACTIONS"] === "true";
  const passedOver: PassedOver[] = [];
  if (path !== undefined) await (await import("./junit-file.ts")).requireJunitPlace(path);

  const tell = async (verified: readonly Verified[]): Promise<void> => {
    if (toGithub) process.stderr.write((await import("./annotations.ts")).annotations(verified, passedOver));
    if (path === undefined) return;
    const [{ junitXml }, { writeJunitFile }] = await Promise.all([import("./junit.ts"), import("./junit-file.ts")]);
    await writeJunitFile(path, junitXml(verified, passedOver), runtime);
  };
  return {
    passedOver: (told) => void passedOver.push(told),
    verified: tell,
    failed: async (error) => {
      const { code, message, hint } = asEtcdsafeError(error);
      if (ERRORS[code].exit === ERRORS.USAGE.exit || (path === undefined && !toGithub)) return;
      const repositories = config.all("repository");
      const place = repositories.length === 1 && operands[0] !== "-" ? { repository: repositories[0]! } : {}; // Of several none in particular failed.
      const cluster = config.get("all-clusters") ? null : config.get("cluster");
      try {
        await tell([{ ...place, cluster, backup: null, level: config.get("level"), outcome: "not-verified", failure: { code, message, hint } }]);
      } catch (unwritten) {
        runtime.log({ level: "error", message: asEtcdsafeError(unwritten).message }); // What the command failed with is more.
      }
    },
  };
}
