// What a command is given and gives back. One file per verb in commands/: parse nothing, compute nothing, call the use case, print.
import type { Config, Environment } from "../config/config.ts";
import type { CommandName } from "../config/option.ts";
import type { OptionName } from "../config/options.ts";
import type { Fault } from "../config/origin.ts";
import type { WriterLease } from "../repository/writer-lease.ts";
import type { CallOptions, Runtime } from "../runtime.ts";
import type { Output } from "./output.ts";
import type { RunRecord } from "./run-record.ts";

export interface Invocation extends CallOptions {
  readonly command: CommandName;
  /** Arguments that are no options. */
  readonly operands: readonly string[];
  /** As they were typed, for who reads the configuration again. */
  readonly flags: ReadonlyMap<OptionName, readonly string[]>;
  readonly config: Config;
  /** Only `config show`, `config validate` and `health` are run where there are others than in whom to tell; of other commands it is told that they were refused. */
  readonly faults: readonly Fault[];
  readonly environment: Environment;
  readonly output: Output;
  readonly runtime: Runtime;
  /** Of an agent, under which it does this. */
  readonly lease?: WriterLease;
  /** Where somebody is to be told how it went. */
  readonly record?: RunRecord;
}

/** Resolves to the exit code. */
export type RunCommand = (invocation: Invocation) => Promise<number>;

export interface LoadedCommand {
  readonly run: RunCommand;
  /** Tells of a run that was stopped while it waited to begin. */
  notBegun?(invocation: Invocation): Promise<void>;
}

/** A verb, as help and docs/cli.md show it. */
export interface CommandInfo {
  readonly summary: string;
  /** More than the summary says, where there is more to say. */
  readonly description?: string;
  readonly operands?: readonly Operand[];
  readonly examples: readonly { readonly line: string; readonly does: string }[];
  /** More of what docs/cli.md shows, in Markdown. */
  readonly example?: string;
  /** What `-o json` prints: the fields of its document, and what they mean. */
  readonly json: Readonly<Record<string, string>>;
  load(): Promise<LoadedCommand>;
}

export interface Operand {
  readonly name: string;
  readonly required: boolean;
  readonly description: string;
}
