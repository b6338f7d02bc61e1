// Once per run: many tests restore members whose URLs are etcd's defaults, and restore refuses where one of them answers. Better told at once
// than by a dozen failures.
import { connect } from "node:net";

const DEFAULT_PORTS = [2379, 2380];
const LIMIT_MS = 2_000;

export default async function requireDefaultPortsFree(): Promise<void> {
  for (const port of DEFAULT_PORTS) {
    if (await isTaken(port))
      throw new Error(
        `Something listens at localhost:${port}, as etcd does by default; tests would take it for the cluster they restore. Stop it and try again.`,
      );
  }
}

function isTaken(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect({ host: "localhost", port, timeout: LIMIT_MS });
    const answer = (taken: boolean) => () => {
      socket.destroy();
      resolve(taken);
    };
    socket.on("connect", answer(true)).on("error", answer(false)).on("timeout", answer(false));
  });
}
