import fc from "fast-check";
import { MARKET_STATUSES } from "../../src/shared/market.js";
import { type Client, ShardWorld, type WorldOptions } from "./shard-world.js";

/** Markets have the ids 0 to this less one; the first three are listed from the start. */
const MARKETS_MAX = 6;
const LISTED_FIRST = 3;

const markets = fc.nat(MARKETS_MAX - 1);
const channels = fc.oneof(
  fc
    .constantFrom(
      null,
      { filter: { status: "Active" } },
      { filter: { status: ["Halted", "Closed"] } },
      { filter: { min_volume: 5 } },
      { filter: { max_volume: 8, status: ["Active", "Halted"] } },
      { filter: { search: "3" } },
    )
    .map((params) => ({ type: "Markets", params })),
  markets.map((market_id) => ({ type: "Market", params: { market_id } })),
  fc
    .uniqueArray(markets, { minLength: 1 })
    .map((market_ids) => ({ type: "PriceFeed", params: { market_ids } })),
  fc
    .option(markets)
    .map((market_id) => ({ type: "Trades", params: market_id === null ? null : { market_id } })),
);
/** Channels of which what was told since is asked for. */
const recoverable = fc.array(
  channels.filter(({ type }) => type !== "Markets"),
  { minLength: 1, maxLength: 3 },
);
const requested = fc.array(channels, { minLength: 1, maxLength: 3 });
const client = fc.nat(3);
/** Several at once: those of one encoding become one audience. */
const clients = fc.subarray([0, 1, 2, 3], { minLength: 1 });
const price = fc.integer({ min: 1, max: 6 });

const action = <K extends string, T extends object>(
  weight: number,
  kind: K,
  fields: { [F in keyof T]: fc.Arbitrary<T[F]> },
) => ({
  weight,
  arbitrary: fc.record({ kind: fc.constant(kind), ...fields }) as unknown as fc.Arbitrary<
    { readonly kind: K } & { readonly [F in keyof T]: T[F] }
  >,
});

const calm = [
  action(6, "quote", { market: markets, price }),
  action(4, "trade", { market: markets, price, quantity: fc.integer({ min: 1, max: 4 }) }),
  action(3, "status", { market: markets, status: fc.constantFrom(...MARKET_STATUSES) }),
  action(3, "book", { market: markets, price }),
  action(1, "list", {}),
  action(8, "round", {
    records: fc.constantFrom(1, 2, 5, Number.POSITIVE_INFINITY, Number.POSITIVE_INFINITY),
    flush: fc.boolean(),
    tell: fc.nat(3).map((number) => number === 0),
  }),
  action(3, "subscribe", { clients, channels: requested }),
  action(2, "unsubscribe", { clients, channels: requested }),
  action(2, "recover", { clients, channels: recoverable, back: fc.nat(60) }),
] as const;
const congestion = [
  action(4, "congest", { clients }),
  action(3, "drain", { clients, writes: fc.constantFrom(1, 2, Number.POSITIVE_INFINITY) }),
  action(3, "serve", { turns: fc.constantFrom(1, 2, Number.POSITIVE_INFINITY) }),
] as const;
const upheaval = [
  action(2, "conflate", { tell: fc.boolean() }),
  action(1, "disconnect", { client }),
  action(1, "connect", { encoding: fc.nat(1) }),
  action(1, "epoch", { listed: fc.nat(MARKETS_MAX) }),
] as const;

type ActionOf<T> = T extends readonly { readonly arbitrary: fc.Arbitrary<infer A> }[] ? A : never;
export type ShardAction = ActionOf<typeof calm | typeof congestion | typeof upheaval>;

/** Histories: of clients that keep up, with some that do not, or of everything that can happen. */
export const histories = {
  calm: fc.array(fc.oneof(...calm), { maxLength: 80, size: "max" }),
  congested: fc.array(fc.oneof(...calm, ...congestion), { maxLength: 100, size: "max" }),
  everything: fc.array(fc.oneof(...calm, ...congestion, ...upheaval), {
    maxLength: 120,
    size: "max",
  }),
} satisfies Record<string, fc.Arbitrary<ShardAction[]>>;

/** How first data are paced: in parts of so many bytes, at once or in turns of their own, of one part or more. */
export const pacing = fc.record({
  partBytes: fc.constantFrom(1, 500, 1 << 18),
  lazy: fc.boolean(),
  hasty: fc.boolean(),
});

/** A clock by which whatever is done takes longer than a turn may. */
function hastyClock(): () => number {
  let now = 0;
  return () => {
    now += 1000;
    return now;
  };
}

export interface ActedWorldOptions extends WorldOptions {
  /** Markets have a quote from the start, so that every price has first data. */
  readonly quoted?: boolean;
  readonly hasty?: boolean;
}

/** A {@link ShardWorld} with four clients, two of each encoding, that actions are done to. */
export class ActedWorld extends ShardWorld {
  #listed = 0;
  readonly #quoted: boolean;

  constructor({ quoted = false, hasty = false, ...options }: ActedWorldOptions = {}) {
    super({ ...options, ...(hasty && { now: hastyClock() }) });
    this.#quoted = quoted;
    for (let id = 0; id < LISTED_FIRST; id++) this.#listNext();
    this.flush();
    this.round();
    for (let number = 0; number < 4; number++) this.connect(number & 1);
  }

  act(one: ShardAction): void {
    switch (one.kind) {
      case "quote":
        return this.quote(this.#marketOf(one.market), 100 * one.price);
      case "trade":
        return this.trade(this.#marketOf(one.market), 100 * one.price, one.quantity);
      case "status":
        return this.setStatus(this.#marketOf(one.market), one.status);
      case "book":
        return this.book(this.#marketOf(one.market), 100 * one.price);
      case "list":
        if (this.#listed < MARKETS_MAX) this.#listNext();
        return;
      case "round":
        if (one.flush) this.flush();
        return this.round(one);
      case "conflate":
        this.flush();
        return this.round({ ...one, conflating: true });
      case "subscribe":
        return this.#withClients(one.clients, (client) => this.subscribe(client, ...one.channels));
      case "unsubscribe":
        return this.#withClients(one.clients, (client) =>
          this.unsubscribe(client, ...one.channels),
        );
      case "recover":
        return this.#withClients(one.clients, (client) => this.#recover(client, one));
      case "congest":
        return this.#withClients(one.clients, (client) => {
          client.socket.congested = true;
          client.model.conflated = true;
        });
      case "drain":
        return this.#withClients(one.clients, ({ socket }) => socket.drain(one.writes));
      case "serve":
        return this.serve(one.turns);
      case "disconnect":
        return this.#withClients([one.client], (client) => this.disconnect(client));
      case "connect":
        this.connect(one.encoding);
        return;
      case "epoch":
        this.#listed = 0;
        return this.restartProducer(() => {
          while (this.#listed < one.listed) this.#listNext();
        });
    }
  }

  get open(): readonly Client[] {
    return this.clients.filter(({ connection }) => connection.open);
  }

  /** Subscribes with a `since` so many microseconds back. */
  #recover(
    client: Client,
    { channels: named, back }: Extract<ShardAction, { kind: "recover" }>,
  ): void {
    // Of a market that Markets tell as well the states go back.
    const withMarkets = client.model.filters.size > 0 || client.connection.loading;
    const chosen = named.filter(({ type }) => type !== "Market" || !withMarkets);
    const since = Math.max(0, this.nowMicros - back);
    if (chosen.length > 0)
      this.subscribe(client, ...chosen.map((channel) => ({ ...channel, since })));
  }

  #listNext(): void {
    const id = this.#listed++;
    this.list(id, `Market ${id}`);
    if (this.#quoted) this.quote(id, 100);
  }

  /** The listed market that a number stands for; one is listed where none is. */
  #marketOf(number: number): number {
    if (this.#listed === 0) this.#listNext();
    return number % this.#listed;
  }

  #withClients(numbers: readonly number[], run: (client: Client) => void): void {
    const { open } = this;
    const chosen = new Set(numbers.map((number) => open[number % Math.max(1, open.length)]));
    for (const client of chosen) if (client !== undefined) run(client);
  }
}
