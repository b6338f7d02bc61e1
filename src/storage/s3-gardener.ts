// What Gardener's etcd-backup-restore reads of its S3 credentials (pkg/snapstore/s3_snapstore.go there).
import { EtcdsafeError } from "../errors.ts";
import { gardenerValues } from "./gardener-values.ts";

export interface S3GardenerValues {
  readonly keys: { readonly accessKeyId: string; readonly secretAccessKey: string; readonly sessionToken?: string };
  readonly region: string | undefined;
  readonly endpoint: string | undefined;
  readonly pathStyle: boolean;
  readonly requestChecksums: boolean;
  /** PEM. */
  readonly trustedCa: string | undefined;
  readonly customerKey: string | undefined;
}

/** Of a JSON file, or a directory. Throws CONFIG_INVALID; never repeats what is in it. */
export async function readS3Gardener(path: string): Promise<S3GardenerValues> {
  const values = await gardenerValues("the S3 credentials", path);
  const text = (name: string) => values.get(name) || undefined;
  const is = (name: string, value: string) => text(name)?.toLowerCase() === value;
  if (text("roleARN") !== undefined) {
    const hint = "Set AWS_ROLE_ARN and AWS_WEB_IDENTITY_TOKEN_FILE (its token), and leave the option out.";
    throw invalid(path, "name a role, which the AWS SDK's own chain assumes", hint);
  }
  if (is("insecureSkipVerify", "true")) {
    throw invalid(path, "ask for insecureSkipVerify, which etcdsafe does not do", "Give the store's certificate authority: trustedCaCert there.");
  }
  const [accessKeyId, secretAccessKey, sessionToken] = [text("accessKeyID"), text("secretAccessKey"), text("sessionToken")];
  if (accessKeyId === undefined || secretAccessKey === undefined) {
    throw invalid(path, "lack accessKeyID or secretAccessKey", "It takes a JSON file or a directory as Gardener's etcd-backup-restore does.");
  }
  return {
    keys: { accessKeyId, secretAccessKey, ...(sessionToken !== undefined && { sessionToken }) },
    region: text("region"),
    endpoint: text("endpoint"),
    pathStyle: is("s3ForcePathStyle", "true"),
    requestChecksums: !is("requestChecksumCalculation", "when_required"),
    trustedCa: text("trustedCaCert"),
    customerKey: text("sseCustomerKey"),
  };
}

function invalid(path: string, why: string, hint: string): EtcdsafeError {
  return new EtcdsafeError("CONFIG_INVALID", `the S3 credentials ${path} ${why}`, { hint });
}
