import { CLOSE } from "../../../contract/closings.js";
import type { ServerMessage } from "../../../contract/messages.js";
import { type CounterSection, count, SHARD } from "../../../counters/counters.js";
import type { ContractFill, ContractOrder } from "../../../store/contract-form.js";
import type { ExchangeNews, ExchangeRequest, ReplayFrom } from "../../messages.js";
import type { Connection, PrivateBatch } from "../connections/connection.js";
import type { Holder } from "../connections/fair-budget.js";
import type { Outbox } from "../connections/outbox.js";
import type { CoalescedWrites } from "./coalesced-writes.js";

/** How often it is looked whether a slow connection has taken what it was sent, in ms. */
const LOOK_MS = 50;
/** How long it may take until there is an exchange that says what can be replayed, in ms. */
const FIND_MS_MAX = 5000;

interface Replay {
  readonly connection: Connection;
  readonly wallet: string;
  /** Where it goes on. */
  from: ReplayFrom;
  /** The client was told that all of it is there. */
  readonly promised: boolean;
}

/** Somebody wants to know whether what was since a moment can be replayed. */
interface Search {
  readonly trader: Holder;
  readonly asks: Omit<Extract<Unnumbered, { type: "recover" }>, "type">;
  readonly told: (recovered: boolean) => void;
  readonly giveUp: NodeJS.Timeout;
}

/** What the exchange has been asked for, and whose place among those who wait for it that takes. */
interface Asked {
  readonly trader: Holder;
  readonly of: Replay | Search;
}

/** How the exchange is asked about wallets. */
export interface WalletAsking {
  /**
   * Sends the exchange a request that takes a place of the trader's, also over its bound; returns the request's
   * number, undefined where there is nobody to ask.
   */
  readonly ask: (trader: Holder, request: Unnumbered) => number | undefined;
  /** The trader's place is free again. */
  readonly answered: (trader: Holder) => void;
}

type WithoutNumber<T> = T extends unknown ? Omit<T, "request"> : never;
type Unnumbered = WithoutNumber<Extract<ExchangeRequest, { type: "recover" | "replay" | "watch" }>>;

/**
 * What became of a wallet's orders since a moment, told to connections that asked for it: some at a time, and the
 * next when the socket has taken those before, so that it is no matter how much that is.
 *
 * Invariant: a connection has one replay of a wallet at most, and while it has one it is told no news of its orders.
 */
export class OrderReplays {
  readonly #outbox: Outbox;
  readonly #counters: CounterSection;
  readonly #asking: WalletAsking;
  readonly #through: (connection: Connection, wallet: string) => void;
  readonly #all = new Map<Connection, Map<string, Replay>>();
  readonly #searches = new Set<Search>();
  readonly #asked = new Map<number, Asked>();
  /** Those whose connections are to take more first. */
  readonly #waiting = new Set<Replay>();

  /** @param through told when all that there was has been told, so that news follow */
  constructor(
    outbox: Outbox,
    counters: CounterSection,
    asking: WalletAsking,
    through: (connection: Connection, wallet: string) => void,
  ) {
    this.#outbox = outbox;
    this.#counters = counters;
    this.#asking = asking;
    this.#through = through;
  }

  /**
   * Asks whether all that became of a wallet's orders since a moment is there, and no more than `max`
   * messages; where no exchange says so in time it is not.
   */
  find(
    { trader }: Connection,
    wallet: string,
    since: number,
    max: number,
    told: (recovered: boolean) => void,
  ): void {
    const giveUp = setTimeout(() => this.#found(search, false), FIND_MS_MAX);
    const search: Search = { trader, asks: { wallet, since, max }, told, giveUp };
    this.#searches.add(search);
    this.#search(search);
  }

  /** The exchange has found what it was asked for. */
  found({ request, recovered }: Extract<ExchangeNews, { type: "recoverable" }>): void {
    const search = this.#answered(request);
    if (search !== undefined && "told" in search) this.#found(search, recovered);
  }

  #found(search: Search, recovered: boolean): void {
    // It may have been given up.
    if (!this.#searches.delete(search)) return;
    clearTimeout(search.giveUp);
    search.told(recovered);
  }

  #search(search: Search): void {
    const { trader, asks } = search;
    const request = this.#asking.ask(trader, { type: "recover", ...asks });
    if (request !== undefined) this.#asked.set(request, { trader, of: search });
  }

  /** Begins to tell a connection what became of a wallet's orders. */
  begin(connection: Connection, wallet: string, from: ReplayFrom): void {
    this.end(connection, wallet);
    const replay: Replay = { connection, wallet, from, promised: "since" in from };
    const own = this.#all.get(connection) ?? new Map<string, Replay>();
    this.#all.set(connection, own.set(wallet, replay));
    count(this.#counters, SHARD.replays);
    this.#ask(replay);
  }

  /** Ends a connection's replay of a wallet, if it has one. */
  end(connection: Connection, wallet: string): void {
    const own = this.#all.get(connection);
    const replay = own?.get(wallet);
    if (own === undefined || replay === undefined) return;
    own.delete(wallet);
    if (own.size === 0) this.#all.delete(connection);
    this.#waiting.delete(replay);
  }

  /** What the exchange has been asked is not answered any more; the next one will be asked. */
  lost(): void {
    for (const request of [...this.#asked.keys()]) this.#answered(request);
  }

  /** There is another exchange: asks it for all that is still to be told. */
  askAgain(): void {
    for (const search of this.#searches) this.#search(search);
    for (const own of this.#all.values())
      for (const replay of own.values()) if (!this.#waiting.has(replay)) this.#ask(replay);
  }

  /** Tells what the exchange has answered. */
  take(
    writes: CoalescedWrites,
    { request, told, next }: Extract<ExchangeNews, { type: "replay" }>,
  ): void {
    const replay = this.#answered(request);
    if (replay === undefined || !("from" in replay)) return;
    const { connection, wallet } = replay;
    // It has ended, or another one has begun in its place.
    if (this.#all.get(connection)?.get(wallet) !== replay) return;
    for (const one of told) writes.put(connection, this.#batchOf(connection, one));
    count(this.#counters, SHARD.replayedMessages, told.length);
    if (next === undefined) {
      this.end(connection, wallet);
      this.#through(connection, wallet);
      return;
    }
    replay.from = next;
    // When it has been written, what is to be taken first is known.
    this.#wait(replay, 0);
  }

  /** What a replay has still to tell cannot be told: its connection has to begin again. */
  fail(request: number): void {
    const replay = this.#answered(request);
    if (replay === undefined || !("from" in replay)) return;
    const { connection, wallet } = replay;
    if (this.#all.get(connection)?.get(wallet) === replay) connection.close(CLOSE.replayLost);
  }

  #batchOf(connection: Connection, one: ContractOrder | ContractFill): PrivateBatch {
    const message: ServerMessage =
      "trade_id" in one
        ? { type: "Fill", data: { fill: one } }
        : { type: "OrderUpdate", data: { order: one } };
    const batch = this.#outbox.encode(connection.encoding, message);
    connection.chargeAnswer(batch.bytes.length);
    return { ...batch, asked: true };
  }

  #ask(replay: Replay): void {
    const { connection, wallet, from, promised } = replay;
    const { trader } = connection;
    const request = this.#asking.ask(trader, { type: "replay", wallet, from, promised });
    if (request !== undefined) this.#asked.set(request, { trader, of: replay });
  }

  #answered(request: number): Asked["of"] | undefined {
    const asked = this.#asked.get(request);
    if (asked === undefined) return undefined;
    this.#asked.delete(request);
    this.#asking.answered(asked.trader);
    return asked.of;
  }

  #wait(replay: Replay, ms: number): void {
    this.#waiting.add(replay);
    setTimeout(() => this.#look(replay), ms);
  }

  #look(replay: Replay): void {
    // It has ended meanwhile.
    if (!this.#waiting.delete(replay)) return;
    if (hasRoom(replay.connection)) this.#ask(replay);
    else this.#wait(replay, LOOK_MS);
  }
}

function hasRoom({ blocked, hasQueue }: Connection): boolean {
  return !blocked && !hasQueue;
}
