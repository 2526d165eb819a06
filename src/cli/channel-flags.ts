import { type Command, InvalidArgumentError, Option } from "commander";
import type {
  CandleInterval,
  Channel,
  ChannelType,
  MarketId,
  MarketStatus,
  MarketsFilter,
} from "../client/node.js";
import { CHANNEL_TYPES, PRIVATE_TYPES } from "../contract/channel-kinds.js";
import { CANDLE_INTERVALS } from "../shared/candle.js";
import { MARKET_STATUSES } from "../shared/market.js";
import { parseExact, parseMarket } from "./client-flags.js";
import { UsageError } from "./usage-error.js";

/** What to subscribe to, as flags say it. */
export interface ChannelFlags {
  readonly channel: readonly ChannelType[];
  readonly market?: readonly MarketId[];
  readonly status?: readonly MarketStatus[];
  readonly search?: string;
  readonly minVolume?: number;
  readonly maxVolume?: number;
  readonly wallet?: string;
  readonly interval?: CandleInterval;
  readonly name?: readonly string[];
}

/** The channels that each flag is for; given without one of them, it would do nothing. */
const CHANNELS_OF_FLAG = {
  market: ["Market", "PriceFeed", "Book", "Trades", "Candles", "Presence"],
  interval: ["Candles"],
  status: ["Markets"],
  search: ["Markets"],
  minVolume: ["Markets"],
  maxVolume: ["Markets"],
  wallet: PRIVATE_TYPES,
  name: ["Private", "Presence"],
} as const satisfies Partial<Record<keyof ChannelFlags, readonly ChannelType[]>>;

/** A parser of a flag that may be given several times, with one of `choices` each time. */
function collectChoices<T extends string>(choices: readonly T[]) {
  return (text: string, before: readonly T[] | undefined): readonly T[] => {
    const choice = choices.find((one) => one === text);
    if (choice === undefined)
      throw new InvalidArgumentError(`Allowed choices are ${choices.join(", ")}.`);
    return [...(before ?? []), choice];
  };
}

function collectMarkets(text: string, before: readonly MarketId[] | undefined): MarketId[] {
  return [...(before ?? []), parseMarket(text)];
}

function parseVolume(text: string): number {
  const volume = parseExact(text);
  if (volume >= 0) return volume;
  throw new InvalidArgumentError("It is not a number from 0.");
}

/** Gives a command the flags of {@link ChannelFlags}. */
export function addChannelFlags(command: Command): Command {
  return command
    .addOption(
      new Option("--channel <TYPE...>", `what to subscribe to: ${CHANNEL_TYPES.join(", ")}`)
        .argParser(collectChoices(CHANNEL_TYPES))
        .makeOptionMandatory(),
    )
    .option(
      "--market <ID...>",
      "markets of Market, PriceFeed, Book, Candles, Presence and Trades; Trades without are those of all",
      collectMarkets,
    )
    .addOption(
      new Option(
        "--status <STATUS...>",
        `only Markets that are ${MARKET_STATUSES.join(", ")}`,
      ).argParser(collectChoices(MARKET_STATUSES)),
    )
    .addOption(
      new Option("--interval <INTERVAL>", "length of Candles; by default 1m").choices(
        Object.keys(CANDLE_INTERVALS),
      ),
    )
    .option("--search <TEXT>", "only Markets with this in their title, in upper or lower case")
    .option("--min-volume <QUANTITY>", "only Markets with at least this volume", parseVolume)
    .option("--max-volume <QUANTITY>", "only Markets with at most this volume", parseVolume)
    .option("--name <NAME...>", "names of Private channels, and of those whose Presence is watched")
    .option("--wallet <WALLET>", "whose Orders and Positions; by default the token's");
}

/** Throws UsageError for a flag without a channel that it is for, and a channel without its markets. */
export function checkChannelFlags(flags: ChannelFlags): void {
  for (const [name, channels] of Object.entries(CHANNELS_OF_FLAG)) {
    const given = flags[name as keyof typeof CHANNELS_OF_FLAG] !== undefined;
    if (given && !flags.channel.some((type) => (channels as readonly string[]).includes(type)))
      throw new UsageError(`${flagOf(name)}: is for ${channels.join(", ")} only`);
  }
  if (flags.channel.includes("Presence") && flags.market === undefined && flags.name === undefined)
    throw new UsageError(
      "market: Presence needs a market (flag --market) or a private channel (flag --name)",
    );
  for (const type of ["Market", "PriceFeed", "Book", "Candles"] as const) {
    if (flags.channel.includes(type) && flags.market === undefined)
      throw new UsageError(`market: ${type} needs at least one (flag --market)`);
  }
  if (flags.channel.includes("Private") && flags.name === undefined)
    throw new UsageError("name: Private needs at least one (flag --name)");
}

const flagOf = (name: string): string =>
  name.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`);

/** The channels that checked flags ask for; `wallet` is called where one is about a wallet. */
export function channelsOf(flags: ChannelFlags, wallet: () => string): Channel[] {
  return [...new Set(flags.channel)].flatMap((type) => channelsOfType(type, flags, wallet));
}

function channelsOfType(type: ChannelType, flags: ChannelFlags, wallet: () => string): Channel[] {
  const { market: market_ids = [] } = flags;
  switch (type) {
    case "Markets":
      return [{ type, params: { filter: filterOf(flags) } }];
    case "Market":
      return market_ids.map((market_id) => ({ type, params: { market_id } }));
    case "PriceFeed":
      return [{ type, params: { market_ids } }];
    case "Book":
      return market_ids.map((market_id) => ({ type, params: { market_id } }));
    case "Trades":
      if (market_ids.length === 0) return [{ type }];
      return market_ids.map((market_id) => ({ type, params: { market_id } }));
    case "Orders":
    case "Positions":
      return [{ type, params: { wallet: wallet() } }];
    case "SystemStatus":
      return [{ type }];
    case "Candles":
      return market_ids.map((market_id) => ({
        type,
        params: { market_id, interval: flags.interval ?? "1m" },
      }));
    case "Heartbeat":
      return [{ type }];
    case "Private":
      return (flags.name ?? []).map((channel) => ({ type, params: { channel } }));
    case "Presence":
      return [
        ...market_ids.map((market_id) => ({ type, params: { market_id } })),
        ...(flags.name ?? []).map((channel) => ({ type, params: { channel } })),
      ];
  }
}

function filterOf({ status, search, minVolume, maxVolume }: ChannelFlags): MarketsFilter {
  return {
    ...(status !== undefined && { status }),
    ...(search !== undefined && { search }),
    ...(minVolume !== undefined && { min_volume: minVolume }),
    ...(maxVolume !== undefined && { max_volume: maxVolume }),
  };
}
