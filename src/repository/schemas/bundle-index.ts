// etcdsafe-bundle.json, the first entry of a bundle's tar: which files of the host were put in.
import { z } from "zod";
import { backupId, clusterName, count, documentHead, sha256, sizeBytes, time, tool, writer } from "./common.ts";

const entry = z.object({
  name: z.string(),
  source: z.string(),
  type: z.enum(["file", "directory", "symlink"]),
  mode: z.string().regex(/^[0-7]{4}$/, "not four octal digits"),
  uid: count,
  gid: count,
  modifiedAt: time,
  sizeBytes: sizeBytes.nullable(),
  sha256: sha256.nullable(),
  linkTarget: z.string().nullable(),
});

export const bundleIndexSchema = z.object({
  ...documentHead,
  tool,
  writer,
  cluster: clusterName,
  backup: backupId,
  createdAt: time,
  presets: z.array(z.string()),
  containsPrivateKeys: z.boolean(),
  entries: z.array(entry),
});
