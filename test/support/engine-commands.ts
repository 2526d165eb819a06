import type { Command, OrderReference } from "../../src/engine/commands.js";
import type { Instrument } from "../../src/engine/market.js";
import type { OrderTerms } from "../../src/engine/order.js";
import { DecimalScale } from "../../src/shared/decimal-scale.js";
import type { MarketId } from "../../src/shared/market-id.js";
import { Random } from "../../src/shared/random.js";

/** A command with the time at which it comes, in microseconds: what is told, and what has passed. */
export interface TimedCommand {
  readonly command: Command;
  readonly ts: number;
  readonly passed: number;
}

/** What the commands are about; the defaults make a small, busy world. */
export interface CommandOptions {
  readonly marketIds: readonly MarketId[];
  readonly wallets: number;
  readonly sessions: number;
  /** Limit prices are from 1 to this, in ticks; close ones trade more. */
  readonly priceMax: number;
  /** In lots. */
  readonly quantityMax: number;
  /** Of placed orders, in percent; of some of them the id is one that was used before. */
  readonly clientOrderIds: number;
  /** Mean time between two commands. */
  readonly stepMicros: number;
  /** Of commands, in percent: those before which somebody sets the clock ahead, by any time. */
  readonly clockJumps: number;
}

const DEFAULTS: CommandOptions = {
  marketIds: [1, 2, "340282366920938463463374607431768211455"],
  wallets: 5,
  sessions: 4,
  priceMax: 40,
  quantityMax: 20,
  clientOrderIds: 40,
  stepMicros: 100,
  clockJumps: 0,
};

/** Mostly orders that rest, so that books fill. */
const TIMES_IN_FORCE_MIX = ["GTC", "GTC", "GTC", "GTC", "IOC", "FOK"] as const;
/** Mostly Active, so that a halt does not last long. */
const STATUS_MIX = ["Halted", "Active", "Active", "Closed", "Active", "Active"] as const;

/** An active market. */
export function instrument(marketId: MarketId, tickSize = 0.001, lotSize = 1): Instrument {
  return {
    marketId,
    status: "Active",
    priceScale: DecimalScale.of(tickSize) as DecimalScale,
    quantityScale: DecimalScale.of(lotSize) as DecimalScale,
  };
}

/**
 * An endless stream of commands as traders of all kinds would send them, also wrong ones: unknown
 * markets and orders, other wallets' orders, used client order ids, halted markets. Equal seeds and
 * options give equal streams; it is the engine's business which of the commands come true.
 */
export function* engineCommands(
  seed: number,
  options: Partial<CommandOptions> = {},
): Generator<TimedCommand, never> {
  const settings = { ...DEFAULTS, ...options };
  const random = new Random(seed);
  let ts = 1_700_000_000_000_000;
  let passed = ts;
  for (let placed = 0; ; ) {
    const step = random.below(2 * settings.stepMicros);
    passed += step;
    ts += step;
    if (settings.clockJumps > 0 && random.below(100) < settings.clockJumps)
      ts += 1 + random.below(2 ** 31 - 1);
    const command = nextCommand(random, settings, placed);
    if (command.type === "place") placed++;
    yield { command, ts, passed };
  }
}

function nextCommand(random: Random, settings: CommandOptions, placed: number): Command {
  const chance = random.below(1000);
  const wallet = `wallet-${random.below(settings.wallets)}`;
  if (chance < 680) return { type: "place", terms: nextTerms(random, settings, wallet, placed) };
  if (chance < 980) return { type: "cancel", wallet, order: nextReference(random, placed) };
  if (chance < 990) {
    const session = `session-${random.below(settings.sessions)}`;
    return { type: "end-session", session, reason: "the connection ended" };
  }
  return {
    type: "set-status",
    marketId: pick(random, settings.marketIds),
    status: pick(random, STATUS_MIX),
  };
}

function nextTerms(
  random: Random,
  { marketIds, priceMax, quantityMax, sessions, clientOrderIds }: CommandOptions,
  wallet: string,
  placed: number,
): OrderTerms {
  const isMarket = random.below(10) === 0;
  const timeInForce = isMarket ? "IOC" : pick(random, TIMES_IN_FORCE_MIX);
  return {
    marketId: random.below(100) === 0 ? 999 : pick(random, marketIds),
    wallet,
    clientOrderId:
      random.below(100) < clientOrderIds ? `c${nextNumber(random, placed)}` : undefined,
    side: pick(random, ["Buy", "Sell"]),
    orderType: isMarket ? "Market" : "Limit",
    timeInForce,
    postOnly: timeInForce === "GTC" && random.below(10) === 0,
    price: isMarket ? undefined : 1 + random.below(priceMax),
    quantity: 1 + random.below(quantityMax),
    session: random.below(3) === 0 ? `session-${random.below(sessions)}` : undefined,
  };
}

function nextReference(random: Random, placed: number): OrderReference {
  const number = nextNumber(random, placed);
  return random.below(5) === 0 ? { clientOrderId: `c${number}` } : { orderId: number };
}

/** One of the last numbers of orders, or the next. */
function nextNumber(random: Random, placed: number): number {
  return Math.max(1, placed + 1 - random.below(60));
}

function pick<T>(random: Random, values: readonly T[]): T {
  return values[random.below(values.length)] as T;
}
