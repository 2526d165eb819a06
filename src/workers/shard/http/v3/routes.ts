import { bookJson, marketJson } from "../../../../codec/encodings/json/json-encoder.js";
import { canonicalFilter } from "../../../../contract/canonical-filter.js";
import { MARKET_ID_FORM } from "../../../../contract/channels-schema.js";
import {
  fieldSchema,
  type JsonSchema,
  objectSchema,
  serverDataSchema,
} from "../../../../contract/json-schema.js";
import { SEARCH_CHARACTERS_MAX } from "../../../../contract/limits.js";
import type { SystemStatus } from "../../../../contract/messages.js";
import { nowMicros } from "../../../../shared/clock.js";
import { MARKET_STATUSES } from "../../../../shared/market.js";
import type { MarketId } from "../../../../shared/market-id.js";
import { bookOf } from "../../fan-out/first-data.js";
import type { Mirror } from "../../fan-out/mirror.js";
import type { MirrorMarket } from "../../fan-out/mirror-market.js";
import type { Answer } from "./answer.js";
import { ApiError } from "./api-error.js";
import { marketList } from "./market-list.js";
import {
  amount,
  type Given,
  integer,
  line,
  marketId,
  oneOf,
  type Parameters,
  parseParameter,
  parseQuery,
  someOf,
} from "./parameters.js";

/** What the answers are made of. */
export interface ApiSources {
  readonly mirror: () => Mirror;
  readonly status: () => SystemStatus;
}

/** A path, and what a GET of it is answered. */
export interface Route {
  readonly path: string;
  readonly summary: string;
  readonly parameters: Parameters;
  /** Of an answer that is JSON; undefined where it is text. */
  readonly schema: JsonSchema | undefined;
  /** Throws an ApiError for a query that it does not understand. */
  readonly answer: (sources: ApiSources, id: string, query: string) => Answer;
}

/** What stands for a market's id in a path. */
export const ID = "{id}";
export const ID_PARAMETER = marketId("The market's id");
const MARKETS_PER_PAGE_MAX = 1000;
/** Depths of a book, as the channel has them. */
const BOOK_DEPTHS = [1, 5, 10, 20, 50, 100] as const;
const BOOK_DEPTH_DEFAULT = 20;

const EPOCH: JsonSchema = { type: "string", description: "The epoch that each seq belongs to" };
const TS: JsonSchema = { type: "integer", minimum: 0, description: "µs since the Unix epoch" };
const MARKET = fieldSchema(serverDataSchema("MarketUpdate"), "market");

/** A route; its answer is made from what its parameters are parsed into. */
function route<P extends Parameters>(
  described: Pick<Route, "path" | "summary" | "schema"> & {
    readonly parameters: P;
    readonly charged?: boolean;
    /** The body, by the path's id; see {@link Answer}. */
    readonly body: (sources: ApiSources, given: Given<P>, id: string) => ReturnType<Answer["body"]>;
  },
): Route {
  const { body, charged = false, ...rest } = described;
  return {
    ...rest,
    answer: (sources, id, query) => {
      const given = parseQuery(query, rest.parameters);
      return { charged, body: () => body(sources, given, id) };
    },
  };
}

/** What is answered below /v3/, but for the descriptions of it. */
export const DATA_ROUTES: readonly Route[] = [
  route({
    path: "/v3/markets",
    summary: "All markets, or those that match, in the order of their listing",
    parameters: {
      status: someOf("Only markets of this status, or of one of these", MARKET_STATUSES),
      min_volume: amount("Only markets with this volume or more"),
      max_volume: amount("Only markets with this volume or less"),
      search: line(
        "Only markets with this in their title, whatever the case",
        SEARCH_CHARACTERS_MAX,
      ),
      limit: integer("Most markets; all by default", { min: 1, max: MARKETS_PER_PAGE_MAX }),
      after: marketId("The next of the page before"),
    },
    schema: objectSchema(
      { epoch: EPOCH, ts: TS, markets: { type: "array", items: MARKET }, next: MARKET_ID_FORM },
      ["epoch", "ts", "markets"],
    ),
    charged: true,
    body: ({ mirror }, { limit, after, ...filter }) =>
      marketList(mirror(), { filter: canonicalFilter(filter), limit, after }),
  }),
  route({
    path: `/v3/markets/${ID}`,
    summary: "A market",
    parameters: {},
    schema: withEpoch(MARKET),
    body: ({ mirror }, _given, id) => inEpoch(mirror(), marketJson(marketOf(mirror(), id))),
  }),
  route({
    path: `/v3/markets/${ID}/book`,
    summary: "The best levels of a market's book",
    parameters: { depth: oneOf("Most levels a side", BOOK_DEPTHS, BOOK_DEPTH_DEFAULT) },
    schema: withEpoch(serverDataSchema("OrderBook")),
    body: ({ mirror }, { depth = BOOK_DEPTH_DEFAULT }, id) => {
      const market = marketOf(mirror(), id);
      return inEpoch(mirror(), bookJson(market, bookOf(market), depth));
    },
  }),
  route({
    path: "/v3/status",
    summary: "The state of the system, as SystemStatus tells it",
    parameters: {},
    schema: fieldSchema(serverDataSchema("SystemStatus"), "status"),
    body: ({ status }) => JSON.stringify(status()),
  }),
  route({
    path: "/v3/time",
    summary: "The server's clock, and the position of what happens now",
    parameters: {},
    schema: objectSchema({
      server_time: { type: "integer", description: "ms since the Unix epoch" },
      ts: TS,
    }),
    body: ({ mirror }) =>
      JSON.stringify({
        server_time: Date.now(),
        // What has been told may be ahead of a clock that was set back.
        ts: Math.max(nowMicros(), mirror().lastTs),
      }),
  }),
];

/** The market of a path. Throws an ApiError where it is no id, or not listed. */
function marketOf(mirror: Mirror, text: string): MirrorMarket {
  const id: MarketId = parseParameter("id", text, ID_PARAMETER);
  const market = mirror.find(id);
  if (market === undefined) throw new ApiError("MARKET_NOT_FOUND", `there is no market ${id}`);
  return market;
}

/** An object of JSON, with the epoch that its `seq` belongs to. */
function inEpoch({ epoch }: Mirror, json: string): string {
  return `${json.slice(0, -1)},"epoch":${JSON.stringify(epoch)}}`;
}

function withEpoch({ properties, required }: JsonSchema): JsonSchema {
  return objectSchema({ ...(properties as Record<string, JsonSchema>), epoch: EPOCH }, [
    ...(required as string[]),
    "epoch",
  ]);
}
