// A small market maker: keeps a bid and an ask around the middle of the book of one market, and moves
// them when the middle moves. All its orders are cancelled by the server when its connection ends,
// whatever the reason, so nothing is left behind by a crash.
//
//   TOKEN=$(npx marketcast token --sub bot --wallet bot-wallet) \
//     node examples/order-bot.mjs ws://localhost:8081 1001
import { MarketcastClient } from "marketcast/client";

const [url = "ws://localhost:8081", marketId = "1001"] = process.argv.slice(2);
const { TOKEN: token } = process.env;
if (!token) {
  console.error("set TOKEN to a token with a wallet; `npx marketcast token --help` says how");
  process.exit(2);
}

const QUANTITY_LOTS = 5;
/** Distance of a quote from the middle, in ticks. */
const SPREAD_TICKS = 3;

const client = new MarketcastClient({ url, token, cancelOnDisconnect: true });
/** Our open orders by side. */
const quotes = new Map();
/** Quotes are moved one pair at a time; the next book says whether they have to move again. */
let moving = false;

client.on("OrderBook", () => void follow());
client.on("OrderUpdate", ({ order }) => {
  if (order.filled_quantity > 0) console.log(`${order.side} ${order.status}`, order);
});
client.on("PositionUpdate", ({ position }) => console.log("position", position.quantity));
client.on("state", ({ status, ...rest }) => {
  console.log(status, rest.cause?.message ?? "");
  // The server has cancelled whatever was open on the last connection.
  if (status !== "open") quotes.clear();
});

async function follow() {
  const market = client.markets.get(marketId);
  const book = client.books.get(marketId);
  const [bid, ask] = [book?.bids[0]?.[0], book?.asks[0]?.[0]];
  if (moving || market === undefined || bid === undefined || ask === undefined) return;
  moving = true;
  try {
    const tick = market.tick_size;
    const middle = Math.round((bid + ask) / 2 / tick);
    await quote(market, "Buy", middle - SPREAD_TICKS);
    await quote(market, "Sell", middle + SPREAD_TICKS);
  } catch (error) {
    console.error(`${error.code}: ${error.message}`);
  } finally {
    moving = false;
  }
}

/** Has one order of a side at a price, given in ticks. */
async function quote({ market_id, tick_size, lot_size }, side, ticks) {
  const current = quotes.get(side);
  if (current?.ticks === ticks || ticks <= 0) return;
  if (current !== undefined) {
    quotes.delete(side);
    // It may be filled by now, which is fine.
    await client.cancelOrder({ order_id: current.order_id }).catch(() => {});
  }
  const { order } = await client.placeOrder({
    market_id,
    side,
    order_type: "Limit",
    // Prices are exact multiples of the tick: round what floating point made of the product.
    price: Number((ticks * tick_size).toFixed(10)),
    quantity: QUANTITY_LOTS * lot_size,
    post_only: true,
  });
  if (order.status === "Open") quotes.set(side, { order_id: order.order_id, ticks });
}

process.once("SIGINT", () => client.close());
process.once("SIGTERM", () => client.close());

try {
  const { wallet } = await client.ready();
  await client.subscribe([
    { type: "Market", params: { market_id: marketId } },
    { type: "Orders", params: { wallet } },
    { type: "Positions", params: { wallet } },
  ]);
} catch (error) {
  console.error(`${error.code}: ${error.message}`);
  process.exitCode = 1;
  await client.close();
}
