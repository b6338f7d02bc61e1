import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { expect, test } from "vitest";
import { s3Plan } from "../../src/storage/s3-settings.ts";
import { DEFAULT_SETTINGS } from "../../src/storage/settings.ts";
import { temporaryDirectory } from "../support/temporary-directory.ts";

test("s3 settings: what Gardener's file says counts where no option says otherwise", async () => {
  await using directory = await temporaryDirectory("s3-settings");
  const credentials = join(directory.path, "credentials.json");
  const key = "k".repeat(32);
  const file = {
    region: "eu-1",
    endpoint: "https://store.example",
    s3ForcePathStyle: "true",
    requestChecksumCalculation: "when_required",
    sseCustomerKey: key,
  };
  await writeFile(credentials, JSON.stringify({ accessKeyID: "id", secretAccessKey: "secret", ...file }));
  const { s3 } = DEFAULT_SETTINGS;
  expect(await s3Plan({ ...s3, credentials })).toMatchObject({
    endpoint: "https://store.example",
    region: "eu-1",
    pathStyle: true,
    requestChecksums: false,
    parameters: { key: { SSECustomerKey: Buffer.from(key).toString("base64") } },
  });
  expect(await s3Plan({ ...s3, credentials, endpoint: "http://127.0.0.1:1", region: "us-2" })).toMatchObject({
    endpoint: "http://127.0.0.1:1",
    region: "us-2",
  });
  expect(await s3Plan(s3)).toMatchObject({ endpoint: undefined, pathStyle: false, requestChecksums: true });
});
