// docs/repository-format.md against the schemas: its examples parse, every field is named, and readers treat what they do not know as it says.
import { readFileSync } from "node:fs";
import { expect, test } from "vitest";
import type { z } from "zod";
import { parseDocument } from "../../src/repository/document.ts";
import { attemptSchema } from "../../src/repository/schemas/attempt.ts";
import { bundleIndexSchema } from "../../src/repository/schemas/bundle-index.ts";
import { clusterFileSchema } from "../../src/repository/schemas/cluster-file.ts";
import { deletionSchema } from "../../src/repository/schemas/deletion.ts";
import { drillSchema } from "../../src/repository/schemas/drill.ts";
import { gapSchema } from "../../src/repository/schemas/gap.ts";
import { manifestSchema } from "../../src/repository/schemas/manifest.ts";
import { pinSchema } from "../../src/repository/schemas/pin.ts";
import { pruneSchema } from "../../src/repository/schemas/prune.ts";
import { repositoryFileSchema } from "../../src/repository/schemas/repository-file.ts";
import { restoreRecordSchema } from "../../src/repository/schemas/restore-record.ts";
import { segmentHeaderSchema } from "../../src/repository/schemas/segment-header.ts";
import { signatureSchema } from "../../src/repository/schemas/signature.ts";
import { stateFileSchema } from "../../src/repository/schemas/state-file.ts";
import { uploadSchema } from "../../src/repository/schemas/upload.ts";
import { verificationSchema } from "../../src/repository/schemas/verification.ts";
import { writerLeaseSchema } from "../../src/repository/schemas/writer-lease.ts";

const SCHEMAS: Readonly<Record<string, z.ZodObject>> = {
  "repository-file": repositoryFileSchema,
  "state-file": stateFileSchema,
  "cluster-file": clusterFileSchema,
  manifest: manifestSchema,
  "segment-header": segmentHeaderSchema,
  verification: verificationSchema,
  drill: drillSchema,
  deletion: deletionSchema,
  "restore-record": restoreRecordSchema,
  gap: gapSchema,
  prune: pruneSchema,
  pin: pinSchema,
  attempt: attemptSchema,
  upload: uploadSchema,
  "writer-lease": writerLeaseSchema,
  signature: signatureSchema,
  "bundle-index": bundleIndexSchema,
};

const doc = readFileSync(new URL("../../docs/repository-format.md", import.meta.url), "utf8");
const examples = [...doc.matchAll(/```json ([a-z-]+)\n(.*?)```/gs)].map(([, name, json]) => ({ name: name!, json: json! }));

function isOptional(name: string, key: string): boolean {
  return (SCHEMAS[name]!.shape[key] as z.ZodType).safeParse(undefined).success;
}

test("format document: has an example of every document, and no other", () => {
  expect(examples.map(({ name }) => name).toSorted()).toEqual(Object.keys(SCHEMAS).toSorted());
});

test.each(examples)("format document: the example of $name is valid and complete", ({ name, json }) => {
  const parsed = SCHEMAS[name]!.parse(JSON.parse(json));
  // Nothing was ignored as unknown: the example holds no misspelt field.
  expect(parsed).toEqual(JSON.parse(json));
  for (const key of Object.keys(SCHEMAS[name]!.shape)) if (!isOptional(name, key)) expect(Object.keys(parsed), key).toContain(key);
});

test.each(Object.keys(SCHEMAS))("format document: names every field of %s in its section", (name) => {
  const at = doc.indexOf(`\`\`\`json ${name}\n`);
  const section = doc.slice(doc.lastIndexOf("\n## ", at), doc.indexOf("\n## ", at));
  // A manifest's objects and its lineage sample have sections of their own; what all documents share stands in one.
  const shared = ["Fields of every document", "Stored objects", "Lineage sample", "Cluster file", "Prunes"].map(
    (title) => doc.slice(doc.indexOf(`\n## ${title}\n`)).split("\n## ", 2)[1]!,
  );
  const prose = `${section}${shared.join("")}`.replaceAll(/```.*?```/gs, "");
  for (const field of fieldsOf(SCHEMAS[name]!)) expect(prose, field).toMatch(new RegExp(`\`(?:[A-Za-z[\\]]+\\.)*${field}\``));
});

test("format document: every link leads to a heading", () => {
  const slugs = new Set(
    [...doc.matchAll(/^#+ (.*)$/gm)].map(([, title]) =>
      title!
        .toLowerCase()
        .replaceAll(/[^a-z0-9 -]/g, "")
        .replaceAll(" ", "-"),
    ),
  );
  for (const [, slug] of doc.matchAll(/\]\(#([^)]*)\)/g)) expect(slugs).toContain(slug);
});

test.each(examples)("documents: a reader of $name ignores unknown fields and refuses newer formats and unknown requirements", ({ name, json }) => {
  const kind = { schema: SCHEMAS[name]!, label: name, invalid: "REPOSITORY_INVALID" } as const;
  const parse = (value: unknown) => parseDocument(kind, "key", Buffer.from(JSON.stringify(value)));
  const value = JSON.parse(json);
  expect(parse({ ...value, addedLater: { x: 1 } })).toMatchObject(parse(value));
  expect(() => parse({ ...value, format: 2 })).toThrow(expect.objectContaining({ code: "REPOSITORY_UNSUPPORTED" }));
  expect(() => parse({ format: 2, everything: "else" })).toThrow(expect.objectContaining({ code: "REPOSITORY_UNSUPPORTED" }));
  expect(() => parse({ ...value, requires: ["time-travel"] })).toThrow(
    expect.objectContaining({ code: "REPOSITORY_UNSUPPORTED", message: expect.stringContaining("time-travel") }),
  );
  for (const key of Object.keys(SCHEMAS[name]!.shape)) {
    if (isOptional(name, key)) continue;
    const { [key]: _, ...without } = value;
    expect(() => parse(without), key).toThrow(expect.objectContaining({ code: "REPOSITORY_INVALID", message: expect.stringContaining(key) }));
  }
});

function fieldsOf(schema: z.ZodType, found = new Set<string>()): Set<string> {
  const { def } = schema as unknown as { def: Record<string, unknown> & { type: string } };
  if (def.type === "object") {
    for (const [key, field] of Object.entries((schema as unknown as z.ZodObject).shape)) fieldsOf(field as z.ZodType, found.add(key));
  }
  for (const inner of [def["innerType"], def["element"], ...((def["options"] as unknown[] | undefined) ?? [])])
    if (inner !== undefined) fieldsOf(inner as z.ZodType, found);
  return found;
}
