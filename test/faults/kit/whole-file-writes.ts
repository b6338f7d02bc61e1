// Node's own writeFile and appendFile pass by the functions that programs can see. These do the same through them, so that a crash
// can come between the parts: open, each write, sync.
import fs from "node:fs";

interface Options {
  readonly flag?: string;
  readonly mode?: number;
  readonly encoding?: BufferEncoding;
  readonly flush?: boolean;
}

/** Replaces writeFile and appendFile (sync and promise forms) in node:fs and in `handles`, the prototype of FileHandle. */
export function replaceWholeFileWrites(handles: object): void {
  Object.assign(fs, { writeFileSync: wholeSync("w"), appendFileSync: wholeSync("a") });
  Object.assign(fs.promises, { writeFile: whole("w"), appendFile: whole("a") });
  const onHandle = async function (this: fs.promises.FileHandle, data: unknown, options?: unknown): Promise<void> {
    await writeAll(this, data, optionsOf(options));
  };
  Object.assign(handles, { writeFile: onHandle, appendFile: onHandle });
}

function wholeSync(defaultFlag: string) {
  return (file: fs.PathOrFileDescriptor, data: unknown, given?: unknown): void => {
    const { flag = defaultFlag, mode = 0o666, encoding, flush } = optionsOf(given);
    const fd = typeof file === "number" ? file : fs.openSync(file, flag, mode);
    try {
      const bytes = bytesOf(data, encoding);
      for (let at = 0; at < bytes.length; ) at += fs.writeSync(fd, bytes, at);
      if (flush) fs.fsyncSync(fd);
    } finally {
      if (typeof file !== "number") fs.closeSync(fd);
    }
  };
}

function whole(defaultFlag: string) {
  return async (file: fs.PathLike | fs.promises.FileHandle, data: unknown, given?: unknown): Promise<void> => {
    const options = optionsOf(given);
    if (typeof file === "object" && "fd" in file) return writeAll(file, data, options);
    const handle = await fs.promises.open(file, options.flag ?? defaultFlag, options.mode ?? 0o666);
    try {
      await writeAll(handle, data, options);
    } finally {
      await handle.close();
    }
  };
}

async function writeAll(handle: fs.promises.FileHandle, data: unknown, { encoding, flush }: Options): Promise<void> {
  const isStream = typeof data === "object" && data !== null && !ArrayBuffer.isView(data);
  for await (const part of isStream ? (data as AsyncIterable<unknown>) : [data]) {
    const bytes = bytesOf(part, encoding);
    for (let at = 0; at < bytes.length; ) at += (await handle.write(bytes, at)).bytesWritten;
  }
  if (flush) await handle.sync();
}

function optionsOf(given: unknown): Options {
  return typeof given === "string" ? { encoding: given as BufferEncoding } : ((given ?? {}) as Options);
}

function bytesOf(data: unknown, encoding?: BufferEncoding): Uint8Array {
  if (!ArrayBuffer.isView(data)) return Buffer.from(String(data), encoding);
  return new Uint8Array(data.buffer, data.byteOffset, data.byteLength);
}
