import { readFile } from "node:fs/promises";
import { text } from "node:stream/consumers";
import type { Command } from "commander";
import {
  ClientClosedError,
  type MarketcastClient,
  type OrderResult,
  RequestTimeoutError,
} from "../client/node.js";
import { ORDERS_PER_REQUEST_MAX } from "../contract/limits.js";
import { CodedError } from "../shared/coded-error.js";
import { parseMilliseconds } from "./client-flags.js";
import { addOrderFlags, type OrderFlags, withClient } from "./order-client.js";
import { type NamedOrder, readOrders } from "./order-lines.js";
import { print, tell } from "./output.js";

interface BatchFlags extends OrderFlags {
  /** ms from the sending on. */
  readonly validFor?: number;
}

/** Thrown at the end where some orders were refused; exit code 1. */
class OrdersRefusedError extends CodedError<"ORDERS_REFUSED"> {
  constructor(refused: number, all: number) {
    super("ORDERS_REFUSED", `${refused} of ${all} orders were refused`);
  }
}

async function batch(file: string, flags: BatchFlags, program: Command): Promise<void> {
  const [lines, source] =
    file === "-"
      ? [await text(process.stdin), "standard input"]
      : [await readFile(file, "utf8"), file];
  const orders = readOrders(lines, source);
  let refused = 0;
  await withClient(
    flags,
    program,
    async (client) => {
      for (let from = 0; from < orders.length; from += ORDERS_PER_REQUEST_MAX) {
        // The connection may have broken since the ones before.
        await client.ready();
        const results = await place(client, orders.slice(from, from + ORDERS_PER_REQUEST_MAX));
        refused += results.filter(({ error }) => error !== undefined).length;
        if (!(await print(results.map((result) => `${JSON.stringify(result)}\n`).join("")))) return;
      }
    },
    flags.validFor,
  );
  if (refused > 0) throw new OrdersRefusedError(refused, orders.length);
}

async function place(
  client: MarketcastClient,
  orders: readonly NamedOrder[],
): Promise<readonly OrderResult[]> {
  try {
    return (await client.placeOrders(orders)).results;
  } catch (error) {
    const unanswered = error instanceof RequestTimeoutError || error instanceof ClientClosedError;
    if (unanswered && error.sent) {
      await tell(
        "these orders may stand; asking again with their client_order_ids places none twice",
      );
      for (const order of orders) await tell(JSON.stringify(order));
    }
    throw error;
  }
}

/** `marketcast order batch`: places orders of a file. */
export function addBatchCommand(order: Command, program: Command): void {
  addOrderFlags(
    order
      .command("batch")
      .description(
        `place the orders of a file, up to ${ORDERS_PER_REQUEST_MAX} with one commit, and print what became of each`,
      )
      .argument("<FILE>", "an order a line, as JSON; - for standard input")
      .option(
        "--valid-for <MS>",
        "refuse orders that the exchange takes later than that",
        parseMilliseconds,
      ),
  ).action((file: string, flags: BatchFlags) => batch(file, flags, program));
}
