// Of several repositories one: the same invocation, as if only that were named.
import type { Invocation } from "./command.ts";

/** `location`: undefined leaves it as it is. */
export function inRepository<Given extends Pick<Invocation, "config">>(invocation: Given, location: string | undefined): Given {
  const { config } = invocation;
  return location === undefined ? invocation : { ...invocation, config: config.with("repository", { value: location, origin: config.origin("repository") }) };
}
