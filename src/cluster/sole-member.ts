// Whether one member answers at an endpoint, or now this one and now that, as behind a balancer. A snapshot does not say whose it is, so it can be told
// only by who answers beside it.
import { formatId, type MemberId } from "../bytes/u64.ts";
import { EtcdsafeError } from "../errors.ts";
import type { CallOptions } from "../runtime.ts";
import type { MemberClient } from "./channel.ts";
import { status } from "./status.ts";

/** A balancer that gives each call to the next member is found out by two in a row, however many calls others make meanwhile. */
const TIMES_ASKED = 2;

/** Why what comes from `client` may be of another member than `expected`, which answered there before; undefined where that is not known to be so. Rejects only with the signal's reason. */
export async function otherMembersAt(client: MemberClient, expected: MemberId, { signal }: CallOptions): Promise<string | undefined> {
  try {
    for (let asked = 0; asked < TIMES_ASKED; asked++) {
      const { memberId } = (await status(client, { signal })).header;
      if (memberId !== expected) {
        return `${client.endpoint} leads to more than one member (${formatId(expected)} and ${formatId(memberId)}), so the snapshot may be of any of them`;
      }
    }
    return undefined;
  } catch (error) {
    signal.throwIfAborted();
    if (!(error instanceof EtcdsafeError)) throw error;
    return `whether the snapshot is of ${formatId(expected)} could not be made sure of: ${error.message}`;
  }
}
