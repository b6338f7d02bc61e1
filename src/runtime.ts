// Effects as parameters: what the library needs of the world besides files and sockets. `bin` and the agent build the real one.

/** One thing worth telling an operator or a log collector. `fields` never hold secrets. */
export interface LogEvent {
  readonly level: "debug" | "info" | "warn" | "error";
  readonly message: string;
  readonly fields?: Readonly<Record<string, string | number | boolean>>;
}

/** How far one named step of a long operation has come. `totalBytes` is absent while unknown; `done` is set once, on the last report. */
export interface Progress {
  readonly step: string;
  readonly doneBytes: number;
  readonly totalBytes?: number;
  readonly done?: boolean;
}

export interface Runtime {
  now(): Date;
  /** Milliseconds of a clock that never jumps; only differences mean anything. */
  monotonicMs(): number;
  /** Rejects with the signal's reason when aborted. */
  sleep(delayMs: number, signal: AbortSignal): Promise<void>;
  randomBytes(sizeBytes: number): Uint8Array;
  log(event: LogEvent): void;
  progress(report: Progress): void;
}

/** Every call that may wait takes one of these; forgetting it is a type error. */
export interface CallOptions {
  readonly signal: AbortSignal;
}
