// Where a repository is → its storage, with what every remote store needs around it. The only file that names backends; each, and with it its SDK, is
// loaded when it is needed.
import type { Runtime } from "../runtime.ts";
import { asOf } from "./as-of.ts";
import { parallelReads } from "./parallel-reads.ts";
import { type Place, placeOf } from "./place.ts";
import type { StorageSettings } from "./settings.ts";
import type { Storage } from "./storage.ts";
import { throttled } from "./throttled.ts";

type OpenRuntime = Pick<Runtime, "now" | "sleep" | "randomBytes" | "log" | "monotonicMs">;

/**
 * Opens a path or a URL: `file://`, `s3://bucket/prefix`, `gs://bucket/prefix`, `azblob://account/container/prefix`. Nothing is read or written yet.
 * With `time`, read-only and as it was then. Throws CONFIG_INVALID for anything else, USAGE for the past of a store that keeps no versions.
 */
export async function openStorage(location: string, settings: StorageSettings & { readonly time?: Date }, runtime: OpenRuntime): Promise<Storage> {
  const place = placeOf(location);
  const backend = await openBackend(place, settings, runtime);
  const shown = settings.time === undefined ? backend : asOf(backend, settings.time, runtime);
  const paced = isLimited(settings) ? throttled(shown, settings.limits, runtime) : shown;
  return place.kind === "file" ? paced : parallelReads(paced);
}

async function openBackend(place: Place, settings: StorageSettings, runtime: OpenRuntime): Promise<Storage> {
  switch (place.kind) {
    case "file":
      return (await import("./file.ts")).openFileStorage(place.root, runtime);
    case "gs":
      return (await import("./gs.ts")).openGsStorage(place, settings, runtime);
    case "s3":
      return (await import("./s3.ts")).openS3Storage(place, settings, runtime);
    case "azblob":
      return (await import("./azblob.ts")).openAzblobStorage(place, settings, runtime);
  }
}

function isLimited({ limits }: StorageSettings): boolean {
  return limits.uploadBytesPerSecond !== undefined || limits.downloadBytesPerSecond !== undefined;
}
