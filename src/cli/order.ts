import { type Command, InvalidArgumentError, Option } from "commander";
import {
  ClientClosedError,
  type HistoryItems,
  type MarketcastClient,
  type MarketId,
  type Order,
  type OrderStatus,
  RequestTimeoutError,
  type Side,
} from "../client/node.js";
import { CANCEL_AFTER_MS } from "../contract/limits.js";
import { SIDES } from "../shared/market.js";
import { ORDER_STATUSES, ORDER_TYPES, SELF_TRADES, TIMES_IN_FORCE } from "../shared/order.js";
import {
  parseCount,
  parseMarket,
  parseMilliseconds,
  parsePositive,
  walletOf,
} from "./client-flags.js";
import { addBatchCommand } from "./order-batch.js";
import { addOrderFlags, type OrderFlags, withClient } from "./order-client.js";
import {
  type OrderReferenceFlags,
  type OrderRequestFlags,
  orderReference,
  orderRequest,
  parseClientOrderId,
  parseTime,
} from "./order-request.js";
import { fillTable, orderTable } from "./order-table.js";
import { OutputError, print, tell } from "./output.js";
import { UsageError } from "./usage-error.js";

interface PlaceFlags extends OrderFlags, OrderRequestFlags {
  readonly validateOnly?: boolean;
  /** ms from now on. */
  readonly validFor?: number;
}

type AmendFlags = OrderFlags &
  OrderReferenceFlags & { readonly price?: number; readonly quantity?: number };

interface CancelFlags extends OrderFlags, OrderReferenceFlags {
  readonly all?: boolean;
  readonly market?: MarketId;
  readonly side?: Side;
}

interface CancelAfterFlags extends OrderFlags {
  /** Milliseconds; 0 for never. */
  readonly in: number;
}

interface ListFlags extends OrderFlags {
  readonly wallet?: string;
}

/** A parser of the time of a switch; the server knows the bounds as well. */
function parseTimer(text: string): number {
  const ms = /^\d+$/.test(text) ? Number(text) : Number.NaN;
  if (ms === 0 || (ms >= CANCEL_AFTER_MS.least && ms <= CANCEL_AFTER_MS.most)) return ms;
  const { least, most } = CANCEL_AFTER_MS;
  throw new InvalidArgumentError(`It is not 0, nor an integer from ${least} to ${most}.`);
}

interface HistoryFlags extends ListFlags {
  readonly market?: MarketId;
  readonly limit: number;
}

type OrderHistoryFlags = HistoryFlags & { readonly status?: readonly OrderStatus[] };
type FillHistoryFlags = HistoryFlags & { readonly orderId?: string };

/** How many orders or fills a command prints by itself. */
const HISTORY_USUAL = 100;

/** Prints a table on a terminal and NDJSON into a pipe. */
async function printOrders(orders: readonly Order[]): Promise<void> {
  if (process.stdout.isTTY)
    await print(`${orders.length === 0 ? "no open orders" : orderTable(orders)}\n`);
  else await printLines(orders);
}

/** Resolves with false where nobody reads any more. */
function printLines(items: readonly object[]): Promise<boolean> {
  return print(items.map((item) => `${JSON.stringify(item)}\n`).join(""));
}

/** Prints a history: a table on a terminal when all of it is there, NDJSON into a pipe page by page. */
async function printHistory<T extends object>(
  history: HistoryItems<T>,
  tableOf: (items: readonly T[]) => string,
): Promise<void> {
  const items: T[] = [];
  for await (const page of history.pages()) {
    if (process.stdout.isTTY) items.push(...page);
    else if (!(await printLines(page))) return;
  }
  if (process.stdout.isTTY) await print(`${items.length === 0 ? "none" : tableOf(items)}\n`);
}

/** Prints an order that was just changed; where that fails, the error says what has been done. */
async function printChanged(order: Order, more: string): Promise<void> {
  try {
    await printOrders([order]);
  } catch (error) {
    if (!(error instanceof OutputError)) throw error;
    const done = `the order is ${order.status} all the same, and ${more}`;
    throw new OutputError("standard output", error.cause, done);
  }
}

/**
 * Names the order before it is placed, beside an output that may turn out to take nothing. One with an
 * id that nobody gave and nobody can be told is not placed: it could not be found again.
 */
async function announce(id: string, given: boolean): Promise<void> {
  if (process.stdout.isTTY) return;
  const told = await tell(`placing the order with --client-order-id ${id}`);
  if (!told && !given) throw new OutputError("standard error", "so no order was placed");
}

function place(flags: PlaceFlags, program: Command): Promise<void> {
  const request = orderRequest(flags);
  const id = request.client_order_id;
  const again = `asking again with --client-order-id ${id} tells, and places no second one`;
  const run = async (client: MarketcastClient): Promise<void> => {
    if (flags.validateOnly === true) {
      const validated = await client.validateOrder(request);
      await print(`${JSON.stringify(validated.order)}\n`);
      return;
    }
    await announce(id, flags.clientOrderId !== undefined);
    let order: Order;
    try {
      ({ order } = await client.placeOrder(request));
    } catch (error) {
      const unanswered = error instanceof RequestTimeoutError || error instanceof ClientClosedError;
      if (unanswered && error.sent) await tell(`the order may stand; ${again}`);
      throw error;
    }
    await printChanged(order, again);
  };
  return withClient(flags, program, run, flags.validFor);
}

function amend(flags: AmendFlags, program: Command): Promise<void> {
  const { price, quantity } = flags;
  const reference = orderReference(flags);
  if (price === undefined && quantity === undefined)
    throw new UsageError("price, quantity: one of them must be given");
  const to = { ...(price !== undefined && { price }), ...(quantity !== undefined && { quantity }) };
  return withClient(flags, program, async (client) => {
    const { order } = await client.amendOrder({ ...reference, ...to });
    await printChanged(order, `its id is ${order.order_id}`);
  });
}

function cancelAll(flags: CancelFlags, program: Command): Promise<void> {
  const { orderId, clientOrderId, market, side } = flags;
  if (orderId !== undefined || clientOrderId !== undefined)
    throw new UsageError("all: takes no order-id and no client-order-id");
  return withClient(flags, program, async (client) => {
    const which = { ...(market !== undefined && { market_id: market }), ...(side && { side }) };
    const { count } = await client.cancelOrders(which);
    await print(process.stdout.isTTY ? `${count} orders cancelled\n` : `{"count":${count}}\n`);
  });
}

function cancelAfter(flags: CancelAfterFlags, program: Command): Promise<void> {
  return withClient(flags, program, async (client) => {
    const { trigger_ts } = await client.cancelAfter(flags.in);
    await print(`${JSON.stringify({ trigger_ts })}\n`);
  });
}

function cancel(flags: CancelFlags, program: Command): Promise<void> {
  if (flags.all === true) return cancelAll(flags, program);
  if (flags.market !== undefined || flags.side !== undefined)
    throw new UsageError("market, side: go with --all only");
  const reference = orderReference(flags);
  return withClient(flags, program, async (client) => {
    const { order } = await client.cancelOrder(reference);
    await printChanged(order, `its id is ${order.order_id}`);
  });
}

function list(flags: ListFlags, program: Command): Promise<void> {
  return withClient(flags, program, async (client, state) => {
    const signal = AbortSignal.timeout(flags.timeout);
    const snapshot = new Promise<readonly Order[]>((resolve, reject) => {
      client.once("OrderSnapshot", ({ orders }) => resolve(orders));
      signal.addEventListener("abort", () =>
        reject(new RequestTimeoutError(`no open orders within ${flags.timeout} ms`, true)),
      );
    });
    const params = { wallet: walletOf(flags.wallet, state) };
    const [orders] = await Promise.all([snapshot, client.subscribe([{ type: "Orders", params }])]);
    await printOrders(orders);
  });
}

function get(flags: CancelFlags, program: Command): Promise<void> {
  const reference = orderReference(flags);
  return withClient(flags, program, async (client) => {
    const { order } = await client.getOrder(reference);
    await printOrders([order]);
  });
}

function history(flags: OrderHistoryFlags, program: Command): Promise<void> {
  return withClient(flags, program, async (client) => {
    const { status } = flags;
    const query = { ...historyQuery(flags), ...(status !== undefined && { status }) };
    await printHistory(client.history.orders(query), orderTable);
  });
}

function fills(flags: FillHistoryFlags, program: Command): Promise<void> {
  return withClient(flags, program, async (client) => {
    const { orderId: order_id } = flags;
    const query = { ...historyQuery(flags), ...(order_id !== undefined && { order_id }) };
    await printHistory(client.history.fills(query), fillTable);
  });
}

function historyQuery({ wallet, market: market_id, limit }: HistoryFlags) {
  return {
    limit,
    ...(wallet !== undefined && { wallet }),
    ...(market_id !== undefined && { market_id }),
  };
}

function addHistoryFlags(command: Command): Command {
  return addOrderFlags(command)
    .option("--wallet <WALLET>", "whose; by default the token's")
    .option("--market <ID>", "of this market only", parseMarket)
    .option("--limit <COUNT>", "most that are printed, the newest", parseCount, HISTORY_USUAL);
}

function addHistoryCommands(order: Command, program: Command): void {
  addOrderFlags(
    order
      .command("get")
      .description("print an order, open or finished")
      .option("--order-id <ID>", "the server's id")
      .option("--client-order-id <ID>", "the id that it was placed with", parseClientOrderId),
  ).action((flags: CancelFlags) => get(flags, program));
  addHistoryFlags(
    order
      .command("history")
      .description("print the orders of a wallet, open and finished, newest first")
      .addOption(
        new Option("--status <STATUS...>", "of these statuses only").choices(ORDER_STATUSES),
      ),
  ).action((flags: OrderHistoryFlags) => history(flags, program));
  addHistoryFlags(
    order
      .command("fills")
      .description("print the fills of a wallet, newest first")
      .option("--order-id <ID>", "of this order only"),
  ).action((flags: FillHistoryFlags) => fills(flags, program));
}

function addPlaceCommand(order: Command, program: Command): void {
  addOrderFlags(
    order
      .command("place")
      .description("place an order and print its state after immediate matching")
      .requiredOption("--market <ID>", "market", parseMarket)
      .addOption(new Option("--side <SIDE>", "side").choices(SIDES).makeOptionMandatory())
      .addOption(new Option("--type <TYPE>", "type").choices(ORDER_TYPES).default("Limit"))
      .option("--price <PRICE>", "price of a Limit order, a multiple of the tick", parsePositive)
      .requiredOption("--quantity <QUANTITY>", "quantity, a multiple of the lot", parsePositive)
      .addOption(
        new Option(
          "--tif <TIF>",
          "time in force; by default GTC, and IOC of a Market order",
        ).choices(TIMES_IN_FORCE),
      )
      .addOption(
        new Option(
          "--self-trade <MODE>",
          "what is cancelled where it meets an order of its own wallet; by default CancelTaker",
        ).choices(SELF_TRADES),
      )
      .option("--expires <TIME>", "when a GTD order expires, in ISO 8601", parseTime)
      .option(
        "--valid-for <MS>",
        "refuse the order where the exchange takes it later than that",
        parseMilliseconds,
      )
      .option("--validate-only", "only say what would become of it")
      .option("--post-only", "refuse the order where it would trade at once")
      .option(
        "--client-order-id <ID>",
        "an id of your own: a second order with it places nothing",
        parseClientOrderId,
      ),
  ).action((flags: PlaceFlags) => place(flags, program));
}

/** `marketcast order`: places, amends, cancels and lists orders of a running server. */
export function addOrderCommand(program: Command): void {
  const order = program
    .command("order")
    .description("place, amend, cancel and list orders: a table on a terminal, NDJSON into a pipe");
  addPlaceCommand(order, program);
  addBatchCommand(order, program);
  addOrderFlags(
    order
      .command("cancel")
      .description("cancel an open order and print its state, or all and print how many")
      .option("--order-id <ID>", "the server's id")
      .option("--client-order-id <ID>", "the id that it was placed with", parseClientOrderId)
      .option("--all", "every open order of the wallet")
      .option("--market <ID>", "with --all: of this market only", parseMarket)
      .addOption(new Option("--side <SIDE>", "with --all: of this side only").choices(SIDES)),
  ).action((flags: CancelFlags) => cancel(flags, program));
  addOrderFlags(
    order
      .command("amend")
      .description("change an open order and print its state")
      .option("--order-id <ID>", "the server's id")
      .option("--client-order-id <ID>", "the id that it was placed with", parseClientOrderId)
      .option("--price <PRICE>", "another price, a multiple of the tick", parsePositive)
      .option("--quantity <QUANTITY>", "another quantity, the new total", parsePositive),
  ).action((flags: AmendFlags) => amend(flags, program));
  addOrderFlags(
    order
      .command("cancel-after")
      .description("have all open orders of the wallet cancelled, unless it is asked again before")
      .requiredOption("--in <MS>", "1000 to 300000, or 0 for never", parseTimer),
  ).action((flags: CancelAfterFlags) => cancelAfter(flags, program));
  addOrderFlags(
    order
      .command("list")
      .description("print the open orders of a wallet")
      .option("--wallet <WALLET>", "whose; by default the token's"),
  ).action((flags: ListFlags) => list(flags, program));
  addHistoryCommands(order, program);
}
