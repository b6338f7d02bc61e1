import { expect, test } from "vitest";
import { arrangeArguments } from "../../src/cli/arguments.ts";

test.each([
  ["save --cluster a", "save --cluster a"],
  ["--cluster a save", "save --cluster a"],
  ["--cluster=a -o json config show", "config show --cluster=a -o json"],
  ["-ojson list", "list -ojson"],
  ["verify --all", "verify --all=true"],
  ["verify --all x", "verify --all=true x"],
  ["--insecure-transport=false save", "save --insecure-transport=false"],
  ["save --cluster --all", "save --cluster --all"],
  ["save --no-spool --cluster", "save --no-spool=true --cluster"],
  ["help", "--help"],
  ["help save", "save --help"],
  ["help config show", "config show --help"],
  ["show -- --all", "show -- --all"],
  ["--cluster a show -- --all", "show --cluster a -- --all"],
  ["verify -", "verify -"],
  ["--unknown x save", "--unknown x save"],
  ["", ""],
])("arguments: %j is arranged as %j", (given, expected) => {
  const words = (text: string) => text.split(" ").filter((word) => word !== "");
  expect(arrangeArguments(words(given))).toEqual(words(expected));
});
