import type { ExchangeOptions } from "../config/thread-options.js";
import type { DecimalScale } from "../shared/decimal-scale.js";
import { SimulatedTraders } from "../sim/simulated-traders.js";
import type { ExchangeCore, Execute } from "./exchange-core.js";

/** Simulated commands of one batch. */
export const BATCH_SIMULATED_MAX = 256;

/** The simulated traders, and how much they are due. */
export class Simulation {
  readonly #options: ExchangeOptions;
  readonly #core: ExchangeCore;
  #traders: SimulatedTraders;
  /** Commands; any number while the traders withdraw. */
  #due: number;

  constructor(options: ExchangeOptions, core: ExchangeCore) {
    this.#options = options;
    this.#core = core;
    this.#traders = createTraders(options, core);
    this.#due = dueAtFirst(options);
  }

  /** Begins again, as the traders remember orders that are undone. */
  restart(): void {
    this.#traders = createTraders(this.#options, this.#core);
    this.#due = dueAtFirst(this.#options);
  }

  /** The traders are due as many commands more, but for `most` at a time. */
  add(count: number, most: number): void {
    this.#due = Math.min(this.#due + count, most);
  }

  /** Nothing more of the traders. */
  end(): void {
    this.#due = 0;
  }

  /** Whether commands are due. */
  get isDue(): boolean {
    return this.#due > 0;
  }

  /** Whether more than a batch is due: then it is no matter of pace, and is done at once. */
  get isBehind(): boolean {
    return this.#due > BATCH_SIMULATED_MAX;
  }

  /** Has the traders do what they are due, a batch of it at most. */
  run(execute: Execute): void {
    const due = Math.min(this.#due, BATCH_SIMULATED_MAX);
    let done = 0;
    for (; done < due && !this.#core.isDue; done++) {
      const command = this.#traders.next();
      if (command === undefined) return this.end();
      execute(command);
    }
    this.#due -= done;
  }
}

/** Without traders, what earlier ones left is withdrawn. */
function dueAtFirst({ simTraders }: ExchangeOptions): number {
  return simTraders === 0 ? Number.POSITIVE_INFINITY : 0;
}

function createTraders(options: ExchangeOptions, core: ExchangeCore): SimulatedTraders {
  return new SimulatedTraders(
    {
      traders: options.simTraders,
      seed: options.feedSeed,
      maxOpenOrders: options.maxOpenOrders,
      markets: [...core.markets].map(({ marketId, priceScale, quantityScale, maxPrice }) => ({
        marketId,
        priceMax: maxPrice === undefined ? undefined : Math.floor(maxPrice / priceScale.step),
        priceLimit: mostOf(options.maxPrice, priceScale),
        quantityLimit: mostOf(options.maxQuantity, quantityScale),
      })),
    },
    core,
  );
}

/** The most steps up to a bound that are exact as a number of the contract, as those of clients have to be. */
function mostOf(bound: number, { step, countMax }: DecimalScale): number {
  return Math.min(countMax, Math.floor(bound / step));
}
