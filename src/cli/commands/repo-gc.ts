// `etcdsafe repo gc`
import { applyGc, type GcResult, planGc } from "../../maintenance/gc.ts";
import { mayBeDenied } from "../../repository/object-lock.ts";
import { openToWrite } from "../../repository/repository.ts";
import type { Storage } from "../../storage/storage.ts";
import type { Invocation } from "../command.ts";
import { PARTLY_DONE } from "../exit-codes.ts";
import { formatCount, formatSize } from "../format.ts";
import { isProcessGone } from "../process-gone.ts";
import { author, openForJudging, openNamedStorage } from "../repository.ts";

export async function run(invocation: Invocation): Promise<number> {
  const { config, output } = invocation;
  const planning = { ...invocation, isGone: isProcessGone };
  if (config.get("plan")) {
    const plan = await planGc(await openForJudging(invocation), planning);
    output.print({ plan }, () => gcText({ removed: plan.remove, leave: plan.leave, failed: [] }, "would be removed"));
    return 0;
  }
  const repository = await openToWrite(await openNamedStorage(invocation), invocation);
  const keeps = await mayBeDenied(() => keepsVersions(repository.storage, invocation));
  const result = await applyGc(repository, await planGc(repository, planning), await author(), invocation);
  const isHidden = result.removed.length > 0 && keeps === true;
  output.print({ ...result, isHidden }, () => gcText(result, isHidden ? "hidden: the store keeps versions, and frees them by its own rules" : "removed"));
  return result.failed.length > 0 ? PARTLY_DONE : 0;
}

function gcText({ removed, leave, failed }: GcResult, done: string): string {
  const lines = [
    ...removed.map((each) => `${nameOf(each)} ${done} (${contentText(each)}): ${each.reason}`),
    ...leave.map((each) => `${nameOf(each)} left alone: ${each.reason}`),
    ...failed.map((each) => `${nameOf(each)} NOT REMOVED: ${each.reason}`),
  ];
  return lines.length === 0 ? "There is no garbage." : lines.join("\n");
}

function nameOf({ cluster, backup }: { readonly cluster: string; readonly backup: string | null }): string {
  return backup === null ? cluster : `${cluster}/${backup}`;
}

function contentText({ objects, unfinished, marker }: GcResult["removed"][number]): string {
  const sizeBytes = objects.reduce((sum, object) => sum + object.sizeBytes, 0);
  const parts = [
    objects.length > 0 ? `${formatCount(objects.length, "object")}, ${formatSize(sizeBytes)}` : "",
    unfinished.length > 0 ? formatCount(unfinished.length, "unfinished upload") : "",
    marker === null ? "" : "its upload marker",
  ];
  return parts.filter((part) => part !== "").join(", ");
}

async function keepsVersions({ versions }: Storage, { signal }: Invocation): Promise<boolean> {
  return versions !== undefined && (await versions.isEnabled({ signal }));
}
