import { RELAY } from "../../counters/relay-counters.js";
import type { ShardToExchange } from "../../workers/messages.js";

/** What the exchange is told in the place of a shard whose node is there no more. */
export const EXCHANGE_FAREWELL: ShardToExchange = [{ type: "attach", sessions: [] }];

/** Where the relay's counters have what is counted of links of orders. */
export const ORDER_LINK_WORDS = {
  links: RELAY.links,
  linksEnded: RELAY.linksEnded,
  leasesEnded: RELAY.leasesEnded,
  linkWaitingBytes: RELAY.linkWaitingBytes,
  linkOutstanding: RELAY.linkOutstanding,
} as const;

/** Names of the keys in Redis by which orders go from edges to the origin and back. */
export interface LinkKeys {
  /** A stream: edges say that they are there and want a link. */
  readonly hellos: string;
  /** A stream: an origin says that it is there and takes links. */
  readonly calls: string;
  /** A stream for each link: what the edge asks. */
  readonly requests: (link: string) => string;
  /** A stream for each link: what the origin tells. */
  readonly answers: (link: string) => string;
}

export function linkKeys(prefix: string): LinkKeys {
  return {
    hellos: `${prefix}:hellos`,
    calls: `${prefix}:calls`,
    requests: (link) => `${prefix}:requests:${link}`,
    answers: (link) => `${prefix}:answers:${link}`,
  };
}
