// The file behind `restore --members`: every member of the new cluster. Only its form is checked here; names and URLs are checked when the restore is planned.
import { dirname, resolve } from "node:path";
import { z } from "zod";
import { EtcdsafeError } from "../errors.ts";
import { MEMBERS_MAX } from "../etcd-files/membership/initial-cluster.ts";
import { memberNameFault } from "../etcd-files/membership/member-name.ts";
import { faultText } from "./origin.ts";
import { nearest } from "./suggest.ts";
import { readYamlFile } from "./yaml-file.ts";

export interface MembersFile {
  readonly token?: string;
  readonly members: readonly MemberEntry[];
}

export interface MemberEntry {
  readonly name: string;
  readonly peerUrls: readonly string[];
  readonly clientUrls?: readonly string[];
  /** A relative path starts from the file's directory. */
  readonly dataDir: string;
  readonly walDir?: string;
}

const text = z.string({ error: ({ input }) => (input === undefined ? "is missing" : input === null ? "has no value" : "takes one value") }).min(1, "is empty");
const list = (of: z.ZodType, what: string) =>
  z.array(of, { error: ({ input }) => (input === undefined ? "is missing" : `takes a list of ${what}`) }).min(1, "is an empty list");
const clientUrl = text.refine(isClientUrl, "is not a URL such as https://10.0.0.1:2379");
const name = text.refine((value) => value === "" || memberNameFault(value) === undefined, { error: ({ input }) => memberNameFault(String(input)) });
/** A directory that is called so can be written as ./~ */
const directory = text.refine((value) => !value.startsWith("~"), "begins with a shell's ~, which is not expanded here: write the whole path");
const memberKeys = { name, peerUrls: list(text, "URLs"), clientUrls: list(clientUrl, "URLs").optional(), dataDir: directory, walDir: directory.optional() };
const fileKeys = { token: text.optional(), members: members() };
const schema = z.strictObject(fileKeys, { error: (issue) => (Array.isArray(issue.input) ? "is a list: put it below `members:`" : objectError(issue)) });

/** Throws MEMBERS_INVALID with everything that is wrong, by line. */
export async function readMembersFile(path: string): Promise<MembersFile> {
  const { tree, faults, lineOf } = await readYamlFile(path);
  const parsed = tree === undefined ? undefined : schema.safeParse(tree);
  const issues = (parsed?.error?.issues ?? []).flatMap(issueTexts).toSorted((a, b) => lineOf(a.path) - lineOf(b.path));
  const wrong = [...faults.map(faultText), ...issues.map((issue) => `${path}:${lineOf(issue.path)}: ${issue.text}`)];
  if (wrong.length > 0 || parsed?.data === undefined) {
    const message = wrong.length === 1 ? wrong[0]! : `the members file has ${wrong.length} faults:\n  ${wrong.join("\n  ")}`;
    throw new EtcdsafeError("MEMBERS_INVALID", message, { hint: "docs/cli.md, “restore”, shows such a file." });
  }
  const { token, members } = parsed.data as z.infer<typeof schema> as MembersFile;
  const base = dirname(path);
  return {
    ...(token === undefined ? {} : { token }),
    members: members.map(({ name, peerUrls, clientUrls, dataDir, walDir }) => ({
      name,
      peerUrls,
      ...(clientUrls === undefined ? {} : { clientUrls }),
      dataDir: resolve(base, dataDir),
      ...(walDir === undefined ? {} : { walDir: resolve(base, walDir) }),
    })),
  };
}

function members(): z.ZodType {
  return list(z.strictObject(memberKeys, { error: objectError }), "members").max(MEMBERS_MAX, `names more than ${MEMBERS_MAX} members`);
}

/** One that a plan can hold and be read from again: URL refuses hosts and ports that cannot be. */
function isClientUrl(value: string): boolean {
  return /^(https?:\/\/[^/@?#\s]+|unixs?:[^\s]+)$/.test(value) && URL.canParse(value);
}

function objectError({ code, input }: { readonly code?: string | undefined; readonly input?: unknown }): string | undefined {
  if (code !== "invalid_type") return undefined;
  return input === null ? "holds nothing" : "takes keys with values";
}

function issueTexts(issue: z.core.$ZodIssue): { path: PropertyKey[]; text: string }[] {
  if (issue.code !== "unrecognized_keys") return [{ path: issue.path, text: `${issue.path.length === 0 ? "the file" : placeOf(issue.path)} ${issue.message}` }];
  const known = Object.keys(issue.path.length === 0 ? fileKeys : memberKeys);
  return issue.keys.map((key) => {
    const meant = nearest(key, known);
    const path = [...issue.path, key];
    return { path, text: `${placeOf(path)} is unknown${meant === undefined ? `; the keys are ${known.join(", ")}` : `; did you mean ${meant}?`}` };
  });
}

/** `members[1].peerUrls` */
function placeOf(path: readonly PropertyKey[]): string {
  return path
    .map((step) => (typeof step === "number" ? `[${step}]` : `.${String(step)}`))
    .join("")
    .slice(1);
}
