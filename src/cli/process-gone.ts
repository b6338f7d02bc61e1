// Whether a process that a document names has ended, as far as this host can tell.
import { hostname } from "node:os";

/** False for a process of another host: nobody here knows. One with our own id that is not us had it before us, as in a container that was restarted. */
export function isProcessGone({ host, pid }: { readonly host: string; readonly pid: number }): boolean {
  if (host !== hostname()) return false;
  if (pid === process.pid) return true;
  try {
    process.kill(pid, 0);
    return false;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === "ESRCH";
  }
}
