import { RELAY } from "../../counters/relay-counters.js";
import type { ShardToHub } from "../../workers/hub/messages.js";
import { type LinkKeys, linkKeys } from "../orders/link-keys.js";

/*
 * What links to the hub have of their own. They are those of orders in all else, beside them: so what channels and
 * presence have to say, which may be much, holds up no order.
 */

/** Names of the keys in Redis. */
export function hubKeys(prefix: string): LinkKeys {
  return linkKeys(`${prefix}:hub`);
}

/** What the hub is told in the place of a shard whose node is there no more. */
export const HUB_FAREWELL: ShardToHub = [{ type: "leave" }];

export const HUB_LINK_WORDS = {
  links: RELAY.hubLinks,
  linksEnded: RELAY.hubLinksEnded,
  leasesEnded: RELAY.hubLeasesEnded,
  linkWaitingBytes: RELAY.hubLinkWaitingBytes,
  linkOutstanding: RELAY.hubLinkOutstanding,
} as const;
