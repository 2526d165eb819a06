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
  /** Whether markets are closed and settled. */
  readonly endings: boolean;
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
  endings: true,
};

/** Mostly orders that rest, so that books fill. */
const TIMES_IN_FORCE_MIX = ["GTC", "GTC", "GTC", "GTD", "IOC", "FOK"] as const;
/** Mostly the default. */
const SELF_TRADE_MIX = ["CancelTaker", "CancelTaker", "CancelMaker", "CancelBoth"] as const;
/** Mostly Active, so that a halt does not last long. */
const STATUS_MIX = ["Halted", "Active", "Active", "Active", "Active"] as const;
/** Ids of markets that are listed in place of those that were closed. */
const FIRST_NEW_MARKET = 1000;

/** An order by its wallet's own name for it. */
interface Named {
  readonly wallet: string;
  readonly clientOrderId: string;
}
/** What the commands so far have made of markets. */
interface MarketWorld {
  /** Those that orders are for: the last one that was closed among them, too, until another takes its place. */
  readonly open: MarketId[];
  readonly ended: MarketId[];
  listed: number;
}

/** How many of the last ones are cancelled and amended. */
const NAMED_MAX = 40;

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
  const named: Named[] = [];
  const markets: MarketWorld = { open: [...settings.marketIds], ended: [], listed: 0 };
  for (let placed = 0; ; ) {
    const step = random.below(2 * settings.stepMicros);
    passed += step;
    ts += step;
    if (settings.clockJumps > 0 && random.below(100) < settings.clockJumps)
      ts += 1 + random.below(2 ** 31 - 1);
    const command = nextCommand(random, settings, placed, ts, named, markets);
    if (command.type === "place") {
      placed++;
      const { wallet, clientOrderId } = command.terms;
      if (clientOrderId !== undefined) named.push({ wallet, clientOrderId });
      if (named.length > NAMED_MAX) named.shift();
    }
    yield { command, ts, passed };
  }
}

function nextCommand(
  random: Random,
  settings: CommandOptions,
  placed: number,
  ts: number,
  named: readonly Named[],
  markets: MarketWorld,
): Command {
  const chance = random.below(1000);
  const wallet = `wallet-${random.below(settings.wallets)}`;
  // Mostly one that there was, of the wallet that placed it.
  const known = random.below(4) === 0 ? undefined : named[random.below(NAMED_MAX)];
  const who = known?.wallet ?? wallet;
  const { clientOrderId } = known ?? {};
  if (chance < 680) {
    const terms = nextTerms(random, settings, markets.open, wallet, placed, ts);
    return {
      type: "place",
      terms,
      ...(random.below(50) === 0 && { validUntilTs: ts - 1 + random.below(3) }),
      ...(random.below(50) === 0 && { validateOnly: true }),
    };
  }
  if (chance < 840) {
    const { priceMax, quantityMax } = settings;
    const what = random.below(4);
    return {
      type: "amend",
      wallet: who,
      order: clientOrderId === undefined ? nextReference(random, placed) : { clientOrderId },
      ...(what !== 0 && what !== 1 && { price: 1 + random.below(priceMax) }),
      ...(what !== 2 && { quantity: 1 + random.below(quantityMax) }),
    };
  }
  if (chance < 970)
    return {
      type: "cancel",
      wallet: who,
      order: clientOrderId === undefined ? nextReference(random, placed) : { clientOrderId },
    };
  if (chance < 971) return { type: "cancel-all", wallet };
  if (chance < 973)
    return {
      type: "cancel-all",
      wallet,
      marketId: pick(random, markets.open),
      side: pick(random, ["Buy", "Sell"]),
    };
  if (chance < 975)
    return { type: "cancel-after", wallet, timeoutMs: random.below(3) * settings.stepMicros };
  if (chance < 980) return { type: "expire", most: 1 + random.below(3) };
  if (chance < 990) {
    const session = `session-${random.below(settings.sessions)}`;
    return { type: "end-session", session, reason: "the connection ended" };
  }
  return chance < 993
    ? { type: "wind-up", most: 1 + random.below(12) }
    : nextOfMarkets(random, markets, settings);
}

/** Something of a market: now and then of one that has ended, or that nobody knows. */
function nextOfMarkets(
  random: Random,
  markets: MarketWorld,
  { priceMax, endings }: CommandOptions,
): Command {
  const chance = random.below(100);
  if (chance < 3) return { type: "settle", marketId: 999, price: 1 };
  const isOfEnded = markets.ended.length > 0 && chance < 30;
  const marketId = pick(random, isOfEnded ? markets.ended : markets.open);
  if (chance < 60 || !endings)
    return { type: "set-status", marketId, status: pick(random, STATUS_MIX) };
  const at = markets.open.findIndex((one) => markets.ended.includes(one));
  if (at >= 0 && chance < 80) {
    const listed = FIRST_NEW_MARKET + markets.listed++;
    markets.open[at] = listed;
    return listCommand(listed);
  }
  if (chance < 84) return listCommand(marketId, "Another title");
  markets.ended.push(marketId);
  if (chance < 92) return { type: "set-status", marketId, status: "Closed" };
  return { type: "settle", marketId, price: random.below(priceMax + 1) };
}

/** Lists a market as {@link instrument} has it. */
function listCommand(marketId: MarketId, title = `Market ${marketId}`): Command {
  const listing = { title, tickSize: 0.001, lotSize: 1, maxPrice: undefined };
  return { type: "list", instrument: instrument(marketId), listing };
}

function nextTerms(
  random: Random,
  { priceMax, quantityMax, sessions, clientOrderIds }: CommandOptions,
  marketIds: readonly MarketId[],
  wallet: string,
  placed: number,
  ts: number,
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
    postOnly: (timeInForce === "GTC" || timeInForce === "GTD") && random.below(10) === 0,
    selfTrade: pick(random, SELF_TRADE_MIX),
    // Some of them are over.
    expiresTs: timeInForce === "GTD" ? ts - 100 + random.below(200_000) : undefined,
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
