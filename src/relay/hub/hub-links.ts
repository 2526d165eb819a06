import { RELAY } from "../../counters/relay-counters.js";
import type { HubNews, HubRequest, ShardToHub } from "../../workers/hub/messages.js";
import type { LinkKind } from "../orders/link-entries.js";
import { type LinkKeys, linkKeys } from "../orders/link-keys.js";

const REQUESTS: Readonly<Record<HubRequest["type"], true>> = {
  publish: true,
  recover: true,
  history: true,
  presence: true,
  "presence-watch": true,
  "presence-unwatch": true,
  leave: true,
};

const NEWS: Readonly<Record<HubNews["type"], true>> = {
  published: true,
  refusal: true,
  recoverable: true,
  history: true,
  presence: true,
  "presence-count": true,
  "presence-ignore": true,
};

/** What the hub is told in the place of a shard that is there no more. */
export const HUB_FAREWELL: ShardToHub = [{ type: "leave" }];

/**
 * Links to the hub. They are as those of orders, and beside them: so what channels and presence have to say, which may
 * be much, holds up no order.
 */
export const HUB_LINKS: LinkKind = {
  requests: REQUESTS,
  news: NEWS,
  isTimed: ({ type }) => type === "publish",
  farewell: HUB_FAREWELL,
  words: {
    links: RELAY.hubLinks,
    linksEnded: RELAY.hubLinksEnded,
    leasesEnded: RELAY.hubLeasesEnded,
    linkWaitingBytes: RELAY.hubLinkWaitingBytes,
    linkOutstanding: RELAY.hubLinkOutstanding,
  },
};

/** Names of the keys in Redis. The origin is the same one. */
export function hubKeys(prefix: string): LinkKeys {
  return { ...linkKeys(`${prefix}:hub`), fence: linkKeys(prefix).fence };
}
