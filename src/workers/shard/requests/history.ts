import type { ArchiveReader } from "../../../archive/archive-reader.js";
import type { MessageFault } from "../../../codec/decode.js";
import type { ClientMessage } from "../../../contract/client-messages-schema.js";
import type { ServerMessage } from "../../../contract/messages.js";
import { type CounterSection, count, SHARD } from "../../../counters/counters.js";
import { nowMicros } from "../../../shared/clock.js";
import type { Mirror } from "../fan-out/mirror.js";
import {
  candlePage,
  HISTORY_LIMIT_DEFAULT,
  HistoryCursorError,
  tradePage,
} from "./history-pages.js";

export type HistoryRequestMessage = Extract<
  ClientMessage,
  { readonly type: "TradeHistory" | "CandleHistory" }
>;

type Answer =
  | { readonly page: ServerMessage<"TradePage" | "CandlePage">; readonly fault?: undefined }
  | { readonly fault: MessageFault };

/** What reading a page costs, as so many bytes: a search, and what is read for each that it may have. */
const SEARCH_COST_BYTES = 2048;
const ITEM_COST_BYTES = 64;

/** What a page costs beside the bytes of its answer. */
export function historyCost({ data }: HistoryRequestMessage): number {
  return SEARCH_COST_BYTES + ITEM_COST_BYTES * (data.limit ?? HISTORY_LIMIT_DEFAULT);
}

/** Answers requests for history from the archive. */
export class History {
  readonly #archive: () => ArchiveReader | undefined;
  readonly #counters: CounterSection;

  /** @param archive undefined while there is none to read */
  constructor(archive: () => ArchiveReader | undefined, counters: CounterSection) {
    this.#archive = archive;
    this.#counters = counters;
  }

  /** The page that a request asks for, or why there is none. */
  answer(request: HistoryRequestMessage, mirror: Mirror): Answer {
    const startedAt = performance.now();
    try {
      return this.#read(request, mirror);
    } catch (error) {
      if (error instanceof HistoryCursorError) {
        const { message } = error;
        return { fault: { code: "INVALID_MESSAGE", message, details: { field: "before" } } };
      }
      return unavailable(`history cannot be read: ${(error as Error).message}`);
    } finally {
      count(this.#counters, SHARD.archiveQueries);
      count(this.#counters, SHARD.archiveQuerySumS, (performance.now() - startedAt) / 1000);
    }
  }

  #read(request: HistoryRequestMessage, mirror: Mirror): Answer {
    const archive = this.#archive();
    const { market_id: id } = request.data;
    if (mirror.find(id) === undefined && archive?.market(id) === undefined) {
      const message = `no market has the id ${id}`;
      return { fault: { code: "MARKET_NOT_FOUND", message, details: { field: "market_id" } } };
    }
    if (archive === undefined) return unavailable("there is no history at the moment");
    if (request.type === "TradeHistory") {
      const data = tradePage(archive, request.data, mirror.epoch);
      return { page: { type: "TradePage", data } };
    }
    const data = candlePage(archive, request.data, nowMicros());
    return { page: { type: "CandlePage", data } };
  }
}

function unavailable(message: string): Answer {
  return { fault: { code: "UNAVAILABLE", message } };
}
