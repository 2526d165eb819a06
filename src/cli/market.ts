import { type Command, InvalidArgumentError } from "commander";
import type { MarketId } from "../client/node.js";
import { parseExact, parseMarket, parseMilliseconds, parsePositive } from "./client-flags.js";
import { type OpsFlags, opsRequest } from "./ops-request.js";
import { print } from "./output.js";

const TIMEOUT_MS = 10_000;

interface MarketFlags extends OpsFlags {
  readonly market: MarketId;
}

interface ListFlags extends MarketFlags {
  readonly title: string;
  readonly tickSize: number;
  readonly lotSize: number;
  readonly marketMaxPrice?: number;
}

type SettleFlags = MarketFlags & { readonly price: number };

/** A number from zero on. */
function parsePrice(text: string): number {
  const price = parseExact(text);
  if (price >= 0) return price;
  throw new InvalidArgumentError("It is below 0.");
}

/** Asks for a change of a market and prints what the server says of it, as one line of JSON. */
async function change(
  path: string,
  flags: MarketFlags,
  more: object,
  program: Command,
): Promise<void> {
  const body = { market_id: flags.market, ...more };
  await print(`${JSON.stringify(await opsRequest(path, body, flags, program))}\n`);
}

function addMarketFlags(command: Command): Command {
  return command
    .requiredOption("--market <ID>", "market id", parseMarket)
    .option("--ops-url <URL>", "operations port; by default the one at --ops-host and --ops-port")
    .option("--timeout <MS>", "longest wait for the answer", parseMilliseconds, TIMEOUT_MS);
}

/** `marketcast market`: changes markets of a running exchange by its operations port. */
export function addMarketCommand(program: Command): void {
  const market = program
    .command("market")
    .description("list, halt, resume, close and settle markets of a running exchange");
  addMarketFlags(
    market
      .command("list")
      .description("list a market, which is open for orders at once")
      .requiredOption("--title <TEXT>", "what it is about")
      .requiredOption("--tick-size <NUMBER>", "smallest price step", parsePositive)
      .requiredOption("--lot-size <NUMBER>", "smallest quantity step", parsePositive)
      .option("--market-max-price <NUMBER>", "highest price of its orders", parsePositive),
  ).action((flags: ListFlags) => {
    const { title, tickSize: tick_size, lotSize: lot_size, marketMaxPrice: max_price } = flags;
    return change("/list", flags, { title, tick_size, lot_size, max_price }, program);
  });
  for (const [name, description] of [
    ["halt", "take no orders; those that rest may be cancelled"],
    ["resume", "take orders again, where the market was halted"],
    ["close", "close a market for good, and cancel its orders"],
  ] as const)
    addMarketFlags(market.command(name).description(description)).action((flags: MarketFlags) =>
      change(`/${name}`, flags, {}, program),
    );
  addMarketFlags(
    market
      .command("settle")
      .description("close a market for good, and pay its positions at a price")
      .requiredOption("--price <NUMBER>", "what a lot is worth, from 0 on", parsePrice),
  ).action((flags: SettleFlags) => change("/settle", flags, { price: flags.price }, program));
}
