import { setImmediate as nextTurn } from "node:timers/promises";
import type { EngineChanges } from "../engine/commands.js";
import { Engine } from "../engine/engine.js";
import type { Order } from "../engine/order.js";
import { isName } from "../shared/text.js";
import { passedAt } from "../shared/time-stretches.js";
import { SimulatedTraders } from "../sim/simulated-traders.js";
import type { StoredState } from "../store/store.js";
import type { ExchangeOptions } from "../workers/messages.js";
import type { ExchangeMarkets } from "./exchange-markets.js";
import type { ExchangeShards } from "./exchange-shards.js";
import { type Batch, OrderDesk, type OrderDeskContext, WITHDRAWN_PER_BATCH } from "./order-desk.js";

/** Simulated commands of one batch. */
export const BATCH_SIMULATED_MAX = 256;
/** Records that are restored in one turn of the event loop; some milliseconds' worth. */
const RESTORED_PER_TURN = 1000;

const NAMELESS = "the wallet's name is not taken any more, so that nobody could cancel it";

/**
 * An engine and all that follows from it: what is asked of it, what is still to be cancelled, and the
 * simulated traders, who see it. When a batch has failed another one takes its place as a whole, so
 * nothing of what did not happen is left anywhere.
 */
export class TradingFloor {
  readonly desk: OrderDesk;
  readonly #engine: Engine;
  readonly #traders: SimulatedTraders;
  /** Commands that the simulated traders are due; any number while they withdraw. */
  #simulationsDue: number;
  /** Open orders whose wallets no token can name. */
  #nameless: readonly Order[];

  private constructor(
    context: OrderDeskContext,
    shards: ExchangeShards,
    engine: Engine,
    nameless: readonly Order[],
  ) {
    this.#engine = engine;
    this.desk = new OrderDesk(context, shards, engine);
    this.#traders = createTraders(context.options, context.markets, engine);
    // Without simulated traders, what earlier ones left is withdrawn.
    this.#simulationsDue = context.options.simTraders === 0 ? Number.POSITIVE_INFINITY : 0;
    this.#nameless = nameless;
  }

  /** Rebuilds an engine, in turns of the event loop: there may be millions of records. */
  static async open(
    context: OrderDeskContext,
    shards: ExchangeShards,
    state: StoredState,
  ): Promise<TradingFloor> {
    const { options, markets, log } = context;
    const engine = new Engine({
      maxOpenOrders: options.maxOpenOrders,
      maxClientOrderIds: options.maxClientOrderIds,
      maxAllClientOrderIds: options.maxAllClientOrderIds,
      clientOrderIdRetentionMicros: options.clientOrderIdRetentionMs * 1000,
    });
    for (const market of markets.all) engine.list(market);
    let records = 0;
    for (const _ of engine.restoring(state, (ts) => passedAt(state.stretches, ts)))
      if (++records % RESTORED_PER_TURN === 0) await nextTurn();
    const nameless: Order[] = [];
    for (const order of state.openOrders) {
      if (!isName(order.wallet)) nameless.push(order);
      if (++records % RESTORED_PER_TURN === 0) await nextTurn();
    }
    if (nameless.length > 0)
      log.warn({ orders: nameless.length }, `cancelling orders: ${NAMELESS}`);
    return new TradingFloor(context, shards, engine, nameless);
  }

  /** What the engine says, for who only looks. */
  get engine(): Pick<Engine, "book" | "sessions" | "clientOrderIds"> {
    return this.#engine;
  }

  /** What the batch has changed. The caller commits it. */
  takeChanges(): EngineChanges {
    return this.#engine.takeChanges();
  }

  /** Whether something is to be done that nobody has to ask for, and that does not wait. */
  get isBusy(): boolean {
    // More than a batch of simulated commands is a withdrawal, which is done at once.
    return this.#mustWithdraw || this.#simulationsDue > BATCH_SIMULATED_MAX;
  }

  /**
   * Cancels what nobody is there for any more, before anybody can trade with it. Returns whether that
   * is all done: a batch takes some thousands.
   */
  withdraw(batch: Batch): boolean {
    const some = this.#nameless.slice(0, WITHDRAWN_PER_BATCH);
    this.#nameless = this.#nameless.slice(WITHDRAWN_PER_BATCH);
    for (const { wallet, orderId } of some) {
      const order = { orderId };
      this.desk.execute(batch, { type: "cancel", wallet, order, reason: NAMELESS });
    }
    batch.withdrawn += some.length;
    this.desk.endSessions(batch);
    return !this.#mustWithdraw;
  }

  get #mustWithdraw(): boolean {
    return this.#nameless.length > 0 || this.desk.ended.size > 0;
  }

  /** The simulated traders are due as many commands more, but for `most` at a time. */
  simulate(count: number, most: number): void {
    this.#simulationsDue = Math.min(this.#simulationsDue + count, most);
  }

  /** Nothing more of the simulated traders. */
  endSimulation(): void {
    this.#simulationsDue = 0;
  }

  /** Whether simulated commands are due. */
  get isSimulating(): boolean {
    return this.#simulationsDue > 0;
  }

  /** Has the simulated traders do what they are due, a batch of it at most. */
  executeSimulated(batch: Batch): void {
    const due = Math.min(this.#simulationsDue, BATCH_SIMULATED_MAX);
    for (let done = 0; done < due; done++) {
      const command = this.#traders.next();
      if (command === undefined) return this.endSimulation();
      this.desk.execute(batch, command);
    }
    this.#simulationsDue -= due;
  }
}

function createTraders(
  options: ExchangeOptions,
  markets: ExchangeMarkets,
  engine: Engine,
): SimulatedTraders {
  return new SimulatedTraders(
    {
      traders: options.simTraders,
      seed: options.feedSeed,
      maxOpenOrders: options.maxOpenOrders,
      markets: [...markets.all].map(({ marketId, priceScale, quantityScale, maxPrice }) => ({
        marketId,
        priceMax: maxPrice === undefined ? undefined : Math.floor(maxPrice / priceScale.step),
        priceLimit: Math.floor(options.maxPrice / priceScale.step),
        quantityLimit: Math.floor(options.maxQuantity / quantityScale.step),
      })),
    },
    engine,
  );
}
