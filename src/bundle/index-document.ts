// The index of a bundle, etcdsafe-bundle.json. docs/repository-format.md, "Bundles".
import type { z } from "zod";
import type { DocumentKind } from "../repository/document.ts";
import { bundleIndexSchema } from "../repository/schemas/bundle-index.ts";

export type BundleIndex = z.infer<typeof bundleIndexSchema>;

export const BUNDLE_INDEX: DocumentKind<typeof bundleIndexSchema> = { schema: bundleIndexSchema, label: "bundle index", invalid: "BUNDLE_INVALID" };
