// Preload of a child process (`node --import …/signal-at-phase.ts?phase=…&signal=…`): the process gets the signal as soon as it logs that a save has
// come to that phase. From outside, a signal may come when a phase of a few milliseconds is over.

const { searchParams } = new URL(import.meta.url);
const [phase, signal] = [searchParams.get("phase"), searchParams.get("signal")];

if (phase !== null && signal !== null) {
  let sent = false;
  const write = process.stderr.write.bind(process.stderr);
  process.stderr.write = ((text: string, ...rest: never[]) => {
    if (!sent && text.includes(`"phase":"${phase}"`)) {
      sent = true; // A second one would end the process at once.
      process.kill(process.pid, signal);
    }
    return write(text, ...rest);
  }) as typeof process.stderr.write;
}

/** Arguments of Node for a child that logs JSON with `--log-level debug`. */
export function signalAtPhase(phaseName: string, signalName: NodeJS.Signals): string[] {
  return ["--import", `${import.meta.url}?phase=${phaseName}&signal=${signalName}`];
}
