import { setTimeout as sleep } from "node:timers/promises";
import { type CounterSection, count } from "../../counters/counters.js";
import { RELAY } from "../../counters/relay-counters.js";
import { EntryWriter } from "../../relay/entry-form.js";
import { openRedis, type RedisLink } from "../../relay/redis-link.js";
import type { RelayKeys } from "../../relay/relay-keys.js";
import { FencedOutError, RelayScripts } from "../../relay/relay-scripts.js";
import {
  packAnswer,
  TRADES_PER_ANSWER,
  type TradeAnswer,
  type TradeAsk,
  unpackAsk,
} from "../../relay/trade-asks.js";
import type { MarketId } from "../../shared/market-id.js";
import type { RelayTarget } from "../../shared/relay-url.js";
import type { ArchiveSource } from "../shard/requests/archive-access.js";

/** How long one read waits for an ask, in ms, and how much longer for Redis. */
const BLOCK_MS = 1000;
const PATIENCE_MS = 2000;
const RETRY_MS = 500;
const ASKS_PER_READ = 16;

interface AskAnswersOptions {
  readonly target: RelayTarget;
  readonly keys: RelayKeys;
  /** The number of this origin. */
  readonly fence: number;
  /** That of the present producer; undefined before there was one. */
  readonly epoch: () => string | undefined;
  readonly archive: ArchiveSource;
  /** Trades are archived here. */
  readonly archives: boolean;
  readonly numbered: boolean;
  readonly counters: CounterSection;
}

/**
 * Answers what edges ask of this node's archive: trades that they have missed, a page of bounded size for each ask, one
 * after the other, on a connection of its own. What was asked while nobody read is not answered; edges ask again.
 * Where another origin has taken over, that one answers.
 */
export class AskAnswers {
  readonly #options: AskAnswersOptions;
  readonly #writer = new EntryWriter();

  constructor(options: AskAnswersOptions) {
    this.#options = options;
  }

  /** Answers until the signal aborts. Never rejects. */
  async run(signal: AbortSignal): Promise<void> {
    let link: RedisLink | undefined;
    signal.addEventListener("abort", () => link?.close(), { once: true });
    while (!signal.aborted) {
      try {
        link = await openRedis(this.#options.target);
        await this.#answer(link, signal);
      } catch (error) {
        if (error instanceof FencedOutError) return;
        // The relay's other connection says what is wrong with Redis.
        await sleep(RETRY_MS);
      } finally {
        link?.close();
      }
    }
  }

  async #answer(link: RedisLink, signal: AbortSignal): Promise<void> {
    const { keys, fence } = this.#options;
    const scripts = await RelayScripts.load(link, keys, fence);
    let last = "$";
    while (!signal.aborted) {
      const command = ["XREAD", "COUNT", String(ASKS_PER_READ), "BLOCK", String(BLOCK_MS)];
      const reply = await link.send(
        [...command, "STREAMS", keys.asks, last],
        BLOCK_MS + PATIENCE_MS,
      );
      if (reply === null) continue;
      type Asks = readonly (readonly [Buffer, readonly Buffer[]])[];
      const [[, asks]] = reply as unknown as readonly [readonly [Buffer, Asks]];
      for (const [id, [, bytes]] of asks) {
        last = String(id);
        const ask = unpackAsk(bytes as Buffer);
        await scripts.answer(ask.id, packAnswer(this.#answerTo(ask)));
      }
    }
  }

  #answerTo({ epoch, from, after }: TradeAsk): TradeAnswer {
    const { archive, archives, numbered, counters } = this.#options;
    if (!archives) return { outcome: "lost" };
    try {
      const { reader } = archive;
      const reach = reader?.reach();
      if (reader === undefined || reach === undefined) return { outcome: "away" };
      if (!reader.hasEpoch(epoch) || reader.lacks(from, reach.lastTs + 1)) {
        // One that has yet to come to the present epoch may take it from the exchange's store, and all before it.
        return { outcome: reach.epoch === this.#options.epoch() ? "lost" : "away" };
      }
      const page = reader.tradesFrom(undefined, from, after, TRADES_PER_ANSWER);
      this.#writer.begin(page.trades.at(-1)?.ts ?? from);
      const markets = new Map<MarketId, number>();
      for (const trade of page.trades) {
        if (trade.epoch !== epoch) continue;
        const { marketId } = trade.market;
        const slot = markets.get(marketId) ?? markets.size;
        markets.set(marketId, slot);
        const tradeNumber = numbered ? Number(trade.tradeId) : 0;
        this.#writer.trade({ ...trade, slot, tradeNumber });
      }
      count(counters, RELAY.tradesFetched, this.#writer.records);
      const head = { epoch, fence: 0, batch: 0, gap: false, begins: false };
      return {
        outcome: "trades",
        entry: this.#writer.finish(head),
        markets: [...markets.keys()],
        next: page.next,
        epoch: reach.epoch,
      };
    } catch (error) {
      archive.noteFault(error);
      return { outcome: "away" };
    }
  }
}
