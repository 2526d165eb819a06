import { RELAY } from "../../counters/relay-counters.js";
import { isCommand } from "../../exchange/request-kinds.js";
import type { ExchangeNews, ExchangeRequest, ShardToExchange } from "../../workers/messages.js";
import type { LinkKind } from "./link-entries.js";

const REQUESTS: Readonly<Record<ExchangeRequest["type"], true>> = {
  place: true,
  "place-all": true,
  amend: true,
  cancel: true,
  "cancel-all": true,
  "cancel-after": true,
  watch: true,
  unwatch: true,
  "get-order": true,
  orders: true,
  fills: true,
  recover: true,
  replay: true,
  session: true,
  ended: true,
  attach: true,
};

const NEWS: Readonly<Record<ExchangeNews["type"], true>> = {
  reachable: true,
  unreachable: true,
  reply: true,
  answer: true,
  refusal: true,
  session: true,
  "session-taken": true,
  order: true,
  fill: true,
  page: true,
  recoverable: true,
  replay: true,
  "replay-lost": true,
  position: true,
  told: true,
  snapshot: true,
};

const FAREWELL: ShardToExchange = [{ type: "attach", sessions: [] }];

/** Links to the exchange. */
export const ORDER_LINKS: LinkKind = {
  requests: REQUESTS,
  news: NEWS,
  isTimed: (request) => isCommand(request as ExchangeRequest),
  farewell: FAREWELL,
  words: {
    links: RELAY.links,
    linksEnded: RELAY.linksEnded,
    leasesEnded: RELAY.leasesEnded,
    linkWaitingBytes: RELAY.linkWaitingBytes,
    linkOutstanding: RELAY.linkOutstanding,
  },
};
