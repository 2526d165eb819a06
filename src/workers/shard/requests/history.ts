import type { ArchiveReader } from "../../../archive/archive-reader.js";
import type { MessageFault } from "../../../codec/decode.js";
import type { ClientMessage } from "../../../contract/client-messages-schema.js";
import type { ServerMessage } from "../../../contract/messages.js";
import { type CounterSection, count, SHARD } from "../../../counters/counters.js";
import { nowMicros } from "../../../shared/clock.js";
import type { MarketId } from "../../../shared/market-id.js";
import type { Mirror } from "../fan-out/mirror.js";
import type { ArchiveSource } from "./archive-access.js";
import { candlePage, HistoryCursorError, tradePage } from "./history-pages.js";

type HistoryType = "TradeHistory" | "CandleHistory";

export type HistoryRequestMessage = Extract<ClientMessage, { readonly type: HistoryType }>;
/** What a page is asked for by. */
export type HistoryQuestion = {
  [T in HistoryType]: Pick<Extract<ClientMessage, { readonly type: T }>, "type" | "data">;
}[HistoryType];

/** Why there is no page. */
interface HistoryFault extends MessageFault {
  readonly code: "INVALID_MESSAGE" | "MARKET_NOT_FOUND" | "UNAVAILABLE";
  readonly details?: { readonly field: string };
}

/** A page or why there is none, and what reading it costs, in bytes as of an answer. */
type HistoryAnswer = { readonly costBytes: number } & (
  | { readonly page: ServerMessage<"TradePage" | "CandlePage">; readonly fault?: undefined }
  | { readonly fault: HistoryFault }
);

/** What a search costs, and each trade or candle that is read; `bench archive` shows how long they take. */
const SEARCH_COST_BYTES = 8192;
const ITEM_COST_BYTES = 192;
/** How late a trade may be told, in microseconds: a candle is over so long after its end. */
const GRACE_MICROS = 1_000_000;

/** Answers requests for history from the archive, for the socket and over HTTP. */
export class History {
  readonly #archive: ArchiveSource;
  readonly #counters: CounterSection;

  constructor(archive: ArchiveSource, counters: CounterSection) {
    this.#archive = archive;
    this.#counters = counters;
  }

  /** The page that a request asks for, or why there is none. */
  answer(request: HistoryQuestion, mirror: Mirror): HistoryAnswer {
    const startedAt = performance.now();
    try {
      return this.#read(request, mirror);
    } catch (error) {
      if (error instanceof HistoryCursorError) {
        const { message } = error;
        return refused({ code: "INVALID_MESSAGE", message, details: { field: "before" } });
      }
      this.#archive.noteFault(error);
      return unavailable(`history cannot be read: ${(error as Error).message}`);
    } finally {
      count(this.#counters, SHARD.archiveQueries);
      count(this.#counters, SHARD.archiveQuerySumS, (performance.now() - startedAt) / 1000);
    }
  }

  #read(request: HistoryQuestion, mirror: Mirror): HistoryAnswer {
    const { reader } = this.#archive;
    const { market_id: id } = request.data;
    if (mirror.find(id) === undefined && reader?.market(id) === undefined) {
      const message = `no market has the id ${id}`;
      return refused({ code: "MARKET_NOT_FOUND", message, details: { field: "market_id" } });
    }
    if (reader === undefined) return unavailable("there is no history at the moment");
    if (request.type === "TradeHistory") {
      const data = tradePage(reader, request.data, mirror.epoch);
      return { page: { type: "TradePage", data }, costBytes: costOf(data.trades.length) };
    }
    const { page: data, read } = candlePage(reader, request.data, closedTo(reader, id, mirror));
    return { page: { type: "CandlePage", data }, costBytes: costOf(read) };
  }
}

/**
 * Up to which `ts` a market's candles are closed, in microseconds: the archive has all of its trades before
 * that, and none is told any more.
 */
function closedTo(
  archive: Pick<ArchiveReader, "tradeHead">,
  marketId: MarketId,
  mirror: Pick<Mirror, "epoch" | "position" | "find" | "newestTradeSeq">,
): number {
  // Looked at first: what the archive has to have come to was told before.
  const { position } = mirror;
  const market = mirror.find(marketId);
  const newest = market === undefined ? 0 : mirror.newestTradeSeq(market);
  const { epoch, lastTs = 0, place } = archive.tradeHead(marketId) ?? {};
  const inPlace = place?.epoch === mirror.epoch ? place.seq : 0;
  const hasAll = epoch === mirror.epoch && newest !== undefined && inPlace >= newest;
  // Whatever was told behind the archive's last trade has no lower ts.
  return hasAll ? Math.max(lastTs, position, nowMicros() - GRACE_MICROS) : lastTs;
}

function costOf(items: number): number {
  return SEARCH_COST_BYTES + ITEM_COST_BYTES * items;
}

function unavailable(message: string): HistoryAnswer {
  return refused({ code: "UNAVAILABLE", message });
}

function refused(fault: HistoryFault): HistoryAnswer {
  return { fault, costBytes: SEARCH_COST_BYTES };
}
