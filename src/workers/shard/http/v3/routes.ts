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
import { CANDLE_INTERVALS, type CandleInterval } from "../../../../shared/candle.js";
import { nowMicros } from "../../../../shared/clock.js";
import { MARKET_STATUSES } from "../../../../shared/market.js";
import type { MarketId } from "../../../../shared/market-id.js";
import { firstLevels } from "../../fan-out/book-difference.js";
import { bookOf } from "../../fan-out/merged-stream.js";
import type { Mirror } from "../../fan-out/mirror.js";
import type { MirrorMarket } from "../../fan-out/mirror-market.js";
import type { History, HistoryQuestion } from "../../requests/history.js";
import { HISTORY_LIMIT_DEFAULT, HISTORY_LIMIT_MAX } from "../../requests/history-pages.js";
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
  required,
  someOf,
} from "./parameters.js";

/** What the answers are made of. */
export interface ApiSources {
  readonly mirror: () => Mirror;
  readonly status: () => SystemStatus;
  readonly history: Pick<History, "answer">;
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
/** Longer than any `next`. */
const CURSOR_CHARACTERS_MAX = 64;

const EPOCH: JsonSchema = { type: "string", description: "The epoch that each seq belongs to" };
const TS: JsonSchema = { type: "integer", minimum: 0, description: "µs since the Unix epoch" };
const MARKET = fieldSchema(serverDataSchema("MarketUpdate"), "market");

const TRADE: JsonSchema = withFields(fieldSchema(serverDataSchema("TradeExecution"), "trade"), {
  epoch: { type: "string", description: "Where it is not the present one" },
});
const CANDLE: JsonSchema = {
  description: "[start µs, open, high, low, close, volume, trades]",
  type: "array",
  items: { type: "number" },
  minItems: 7,
  maxItems: 7,
};
const CANDLE_LENGTHS = Object.keys(CANDLE_INTERVALS) as CandleInterval[];

/** What pages of history are asked for by. */
const PAGE = {
  from: integer("µs since the Unix epoch, inclusive", { min: 0, max: Number.MAX_SAFE_INTEGER }),
  to: integer("µs since the Unix epoch, exclusive", { min: 0, max: Number.MAX_SAFE_INTEGER }),
  before: line("The next of the page before", CURSOR_CHARACTERS_MAX),
  limit: integer("Most in a page", {
    min: 1,
    max: HISTORY_LIMIT_MAX,
    default: HISTORY_LIMIT_DEFAULT,
  }),
};

/** A route; its answer is made from what its parameters are parsed into. */
function route<P extends Parameters>(
  described: Pick<Route, "path" | "summary" | "schema"> & {
    readonly parameters: P;
    readonly charged?: boolean;
    /** The body, by the path's id; see {@link Answer}. */
    readonly body: (
      sources: ApiSources,
      given: Given<P>,
      id: string,
      charge: (bytes: number) => void,
    ) => ReturnType<Answer["body"]>;
  },
): Route {
  const { body, charged = false, ...rest } = described;
  return {
    ...rest,
    answer: (sources, id, query) => {
      const given = parseQuery(query, rest.parameters);
      return { charged, body: (charge) => body(sources, given, id, charge) };
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
      const { seq, ts, ...levels } = bookOf(market);
      return inEpoch(mirror(), bookJson(market, { ...firstLevels(levels, depth), seq, ts }));
    },
  }),
  route({
    path: `/v3/markets/${ID}/trades`,
    summary: "A market's trades, newest first",
    parameters: PAGE,
    schema: pageOf("trades", TRADE),
    charged: true,
    body: (sources, given, id, charge) => {
      const data = { market_id: parseParameter("id", id, ID_PARAMETER), ...given };
      return historyPage(sources, { type: "TradeHistory", data }, charge);
    },
  }),
  route({
    path: `/v3/markets/${ID}/candles`,
    summary: "A market's closed candles, newest first",
    parameters: {
      interval: required(oneOf("Length of the candles", CANDLE_LENGTHS)),
      ...PAGE,
    },
    schema: pageOf("candles", CANDLE, { interval: { type: "string", enum: CANDLE_LENGTHS } }),
    charged: true,
    body: (sources, given, id, charge) => {
      const data = { market_id: parseParameter("id", id, ID_PARAMETER), ...given };
      return historyPage(sources, { type: "CandleHistory", data }, charge);
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
  const id = parseParameter("id", text, ID_PARAMETER);
  return mirror.find(id) ?? notFound(id);
}

/** A page of the history of a path's market. Throws an ApiError. */
function historyPage(
  { mirror, history }: ApiSources,
  request: HistoryQuestion,
  charge: (bytes: number) => void,
): string {
  const answer = history.answer(request, mirror());
  charge(answer.costBytes);
  const { fault } = answer;
  if (fault !== undefined) throw new ApiError(fault.code, fault.message, fault.details);
  return JSON.stringify(answer.page.data);
}

function notFound(id: MarketId): never {
  throw new ApiError("MARKET_NOT_FOUND", `there is no market ${id}`);
}

function pageOf(
  name: string,
  items: JsonSchema,
  more: Record<string, JsonSchema> = {},
): JsonSchema {
  const fields = { market_id: MARKET_ID_FORM, ...more, [name]: { type: "array", items } };
  return objectSchema({ ...fields, next: { type: "string" } }, Object.keys(fields));
}

/** An object of JSON, with the epoch that its `seq` belongs to. */
function inEpoch({ epoch }: Mirror, json: string): string {
  return `${json.slice(0, -1)},"epoch":${JSON.stringify(epoch)}}`;
}

function withEpoch(schema: JsonSchema): JsonSchema {
  const { properties, required } = withFields(schema, { epoch: EPOCH });
  return objectSchema(properties as Record<string, JsonSchema>, [
    ...(required as string[]),
    "epoch",
  ]);
}

/** An object's schema with fields that may be missing. */
function withFields(
  { properties, required }: JsonSchema,
  more: Record<string, JsonSchema>,
): JsonSchema {
  const all = { ...(properties as Record<string, JsonSchema>), ...more };
  return objectSchema(all, required as string[]);
}
