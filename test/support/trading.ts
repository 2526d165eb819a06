import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Encoding } from "../../src/contract/encodings.js";
import type { ServerMessage } from "../../src/contract/messages.js";
import { type Flags, testToken } from "./server-process.js";
import { type MessageOf, TestClient } from "./test-client.js";

/** Flags of a server whose only traders are the test's. */
export const QUIET_EXCHANGE: Flags = { feed: "exchange", "sim-traders": 0, "book-interval": 0 };

export type TestOrder = MessageOf<"OrderUpdate">["data"]["order"];

export interface TraderOptions {
  readonly wallet?: string;
  readonly role?: string;
  readonly encoding?: Encoding;
  readonly cancelOnDisconnect?: boolean;
}

/** Connects with a token for a wallet. */
export async function connectTrader(
  port: number,
  { wallet = "w1", role, encoding = "json", cancelOnDisconnect = false }: TraderOptions = {},
): Promise<TestClient> {
  const token = testToken({
    sub: `user of ${wallet}`,
    wallet,
    ...(role !== undefined && { role }),
  });
  const query = `?token=${token}${cancelOnDisconnect ? "&cancel_on_disconnect=true" : ""}`;
  const client = await TestClient.connect(port, { encoding, query });
  await client.take("Authenticated");
  return client;
}

/** A limit order of market 1001, unless told otherwise. */
export function limitOrder(
  side: "Buy" | "Sell",
  price: number,
  quantity: number,
  rest: Readonly<Record<string, unknown>> = {},
): Readonly<Record<string, unknown>> {
  return { market_id: 1001, side, order_type: "Limit", price, quantity, ...rest };
}

/** Places an order and returns its state; fails where it is refused. */
export async function place(
  client: TestClient,
  order: Readonly<Record<string, unknown>>,
): Promise<TestOrder> {
  return orderOf(await client.request({ type: "PlaceOrder", data: { order } }));
}

export async function cancel(
  client: TestClient,
  order: Readonly<Record<string, unknown>>,
): Promise<TestOrder> {
  return orderOf(await client.request({ type: "CancelOrder", data: order }));
}

/** The code of the refusal of a request; fails where it is carried out. */
export async function refusalOf(
  client: TestClient,
  request: { readonly type: string; readonly data?: unknown },
): Promise<MessageOf<"Error">["data"]> {
  const reply = await client.request(request);
  if (reply.type !== "Error") throw new Error(`no refusal: ${JSON.stringify(reply)}`);
  return reply.data;
}

function orderOf(reply: ServerMessage): TestOrder {
  if (reply.type !== "OrderUpdate") throw new Error(`no order: ${JSON.stringify(reply)}`);
  return reply.data.order;
}

/** Open orders and positions of a wallet, as a new connection is told of them. */
export async function walletState(port: number, wallet: string) {
  const client = await connectTrader(port, { wallet });
  const params = { wallet };
  await client.subscribe({ type: "Orders", params }, { type: "Positions", params });
  const { orders } = (await client.take("OrderSnapshot")).data;
  const { positions } = (await client.take("PositionSnapshot")).data;
  await client.close();
  return { orders, positions };
}

/** The published book of a market, as a new subscriber gets it. */
export async function bookOf(port: number, market_id: number) {
  const client = await TestClient.connect(port);
  await client.subscribe({ type: "Market", params: { market_id } });
  const { bids, asks } = (await client.take("OrderBook")).data;
  await client.close();
  return { bids, asks };
}

/** A directory that lasts for a test, or longer than one server. */
export async function temporaryDirectory(): Promise<{
  readonly path: string;
  readonly remove: () => Promise<void>;
}> {
  const path = await mkdtemp(join(tmpdir(), "marketcast-test-"));
  return { path, remove: () => rm(path, { recursive: true, force: true }) };
}

/**
 * Writes a markets file of one market, 1001, with ticks of 0.01 and lots of 1, unless told otherwise, and
 * of further ones that differ from that.
 */
export async function writeMarkets(
  path: string,
  ...markets: readonly Readonly<Record<string, unknown>>[]
): Promise<void> {
  const entries = (markets.length === 0 ? [{}] : markets).map((market) => ({
    market_id: 1001,
    title: "A market",
    status: "Active",
    tick_size: 0.01,
    lot_size: 1,
    ...market,
  }));
  await writeFile(path, JSON.stringify(entries));
}
