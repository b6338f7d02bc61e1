// What a plan says of its targets, for people: what is replaced and kept, whose the files will be, and whether there is room.
import { ownerText } from "../restore/access.ts";
import type { RestorePlan } from "../restore/plan.ts";
import { formatSize } from "./format.ts";
import { facts, table } from "./output.ts";

/** Empty where the targets were not looked at. */
export function targetsText(plan: RestorePlan): string {
  const replaced = plan.members.flatMap(({ name, replaces }) => (replaces === null ? [] : [{ name, ...replaces }]));
  const { fileSystems } = plan.bytes;
  const rows: [string, string | undefined][] = [
    ...plan.members.flatMap(({ name, access }): [string, string][] =>
      access === null ? [] : [[`owner of ${name}`, `${ownerText(access.member)} (${FROM[access.from]})`]],
    ),
    ...fileSystems.map(({ directories, neededBytes, freeBytes }): [string, string] => [
      "free disk",
      `${freeBytes === null ? "unknown" : formatSize(freeBytes)} for ${formatSize(neededBytes)} (${directories.join(", ")})`,
    ]),
  ];
  return [
    replaced.length === 0
      ? ""
      : table(replaced, [
          { title: "replaced", of: ({ name }) => name },
          { title: "database", align: "right", of: ({ databaseSizeBytes }) => (databaseSizeBytes === null ? "none" : formatSize(databaseSizeBytes)) },
          { title: "at revision", align: "right", of: ({ revision }) => revision ?? "unknown" },
          { title: "kept as", of: (each) => keptAs(each).join(", ") },
        ]),
    rows.length === 0 ? "" : facts(rows),
  ]
    .filter((part) => part !== "")
    .join("\n");
}

const FROM: Readonly<Record<NonNullable<RestorePlan["members"][number]["access"]>["from"], string>> = {
  replaced: "as what is replaced",
  "owner-option": "--owner",
  "data-directory": "as the data directory",
  "running-user": "who runs this",
};

/** Lines for the result of a restore: where what was there lies now. */
export function keptLines({ members }: RestorePlan): string[] {
  const kept = members.flatMap(({ replaces }) => (replaces === null ? [] : keptAs(replaces)));
  return kept.length === 0 ? [] : ["", "What was there before is kept, to be removed once nobody needs it:", ...kept.map((path) => `  ${path}`)];
}

function keptAs({ keptAs: member, walKeptAs }: { readonly keptAs: string | null; readonly walKeptAs: string | null }): string[] {
  return [member, walKeptAs].filter((path) => path !== null);
}
