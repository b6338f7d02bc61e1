// What Kubernetes shows of a container that has ended: the text in a file that kubelet made and mounted for it (terminationMessagePath, /dev/termination-log
// unless the Pod says otherwise), which it reads after the last process is gone.
import { constants } from "node:fs";
import { lstat, open } from "node:fs/promises";
import { EtcdsafeError } from "../errors.ts";
import { cutToBytes } from "./cut.ts";

/** Kubernetes `pkg/kubelet/container`: MaxContainerTerminationMessageLength. It cuts off the rest, wherever that is. */
const MESSAGE_SIZE_BYTES_MAX = 4096;

/**
 * Replaces what the file holds; does nothing where there is none, as outside of Kubernetes: what was not mounted nobody reads. Never anything but a
 * regular file, which is what kubelet makes, and not through a symbolic link: opening a device or a pipe may do or wait for anything, and a link may
 * lead to any file that this process, often root, can write. In place, as nothing can be renamed over a mount. Throws FILE_FAILED.
 */
export async function writeTerminationMessage(path: string, message: string): Promise<void> {
  try {
    if (!(await lstat(path)).isFile()) throw notWritten(path, "it is no regular file");
    const file = await open(path, constants.O_WRONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK); // Whatever took its place meanwhile.
    try {
      if (!(await file.stat()).isFile()) throw notWritten(path, "it is no regular file");
      const bytes = cutToBytes(message, MESSAGE_SIZE_BYTES_MAX);
      await file.truncate(0);
      await file.writeFile(bytes);
    } finally {
      await file.close();
    }
  } catch (error) {
    if (error instanceof EtcdsafeError) throw error;
    const { code, message: why } = error as NodeJS.ErrnoException;
    if (code === "ENOENT" || code === "ENOTDIR") return;
    throw notWritten(path, why, error);
  }
}

function notWritten(path: string, why: string, cause?: unknown): EtcdsafeError {
  return new EtcdsafeError("FILE_FAILED", `the termination message cannot be written to ${path}: ${why}`, { cause });
}
