// A small market maker: keeps a bid and an ask around the middle of the book of one market, moves them
// when the middle moves, and quotes a side again once it is filled. All its orders are cancelled by the
// server when its connection ends, whatever the reason, so nothing is left behind by a crash.
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
/** The wallet's open orders in the market, by id, as the server tells them. */
const open = new Map();
/** Orders without an answer, by side: they may stand, so they are asked for again as they are. */
const unanswered = new Map();
/** Whether `open` is what the server has: from the snapshot on, or what came since, after a reconnect. */
let known = false;
/** Quotes are moved by one at a time; whether there is news since it began. */
let moving = false;
let news = false;
/** The last middle of the book, in ticks: a side may be empty just after it was filled. */
let middle;

client.on("OrderSnapshot", ({ orders }) => {
  open.clear();
  for (const order of orders) take(order);
  known = true;
  void follow();
});
client.on("resubscribed", () => {
  known = true;
  void follow();
});
client.on("OrderUpdate", ({ order }) => {
  if (order.filled_quantity > 0) console.log(`${order.side} ${order.status}`, order);
  take(order);
  void follow();
});
client.on("OrderBook", () => void follow());
client.on("PositionUpdate", ({ position }) => console.log("position", position.quantity));
client.on("state", ({ status, ...rest }) => {
  console.log(status, rest.cause?.message ?? "");
  if (status !== "open") known = false;
});

/** Takes in the state of one of our orders: an answer, or news of it. */
function take(order) {
  if (String(order.market_id) !== marketId) return;
  if (order.client_order_id === unanswered.get(order.side)?.client_order_id)
    unanswered.delete(order.side);
  if (order.status === "Open" || order.status === "PartiallyFilled")
    open.set(order.order_id, order);
  else open.delete(order.order_id);
}

/** Brings the quotes in line with the book. */
async function follow() {
  news = true;
  if (moving) return;
  moving = true;
  while (news && known) {
    news = false;
    try {
      await requote();
    } catch (error) {
      // The next book is another chance.
      if (client.state.status !== "closed") console.error(`${error.code}: ${error.message}`);
    }
  }
  moving = false;
}

async function requote() {
  const market = client.markets.get(marketId);
  const book = client.books.get(marketId);
  if (market === undefined || book === undefined) return;
  const { tick_size: tick } = market;
  const [bid, ask] = [book.bids[0]?.[0], book.asks[0]?.[0]];
  if (bid !== undefined && ask !== undefined) middle = Math.round((bid + ask) / 2 / tick);
  if (middle === undefined) return;
  const wanted = { Buy: middle - SPREAD_TICKS, Sell: middle + SPREAD_TICKS };
  // Whatever stands elsewhere goes first: a quote must not meet one of our own.
  const kept = new Set();
  for (const order of [...open.values()]) {
    const stays = Math.round(order.price / tick) === wanted[order.side] && !kept.has(order.side);
    if (stays) kept.add(order.side);
    else await cancel(order);
  }
  const quoting = ["Buy", "Sell"].map((side) => quote(market, side, wanted[side]));
  for (const { reason } of await Promise.allSettled(quoting)) if (reason) throw reason;
}

/** Cancels an order, unless it is filled by now, which is fine: the news of that is here already. */
async function cancel({ order_id }) {
  try {
    await client.cancelOrder({ order_id });
  } catch (error) {
    if (error.code !== "ORDER_NOT_FOUND") throw error;
    open.delete(order_id);
  }
}

/** Sees to it that a side has an order; a new one at a price given in ticks. */
async function quote({ market_id, tick_size, lot_size }, side, ticks) {
  if ([...open.values()].some((order) => order.side === side) || ticks <= 0) return;
  const order = unanswered.get(side) ?? {
    market_id,
    side,
    order_type: "Limit",
    // Prices are exact multiples of the tick: round what floating point made of the product.
    price: Number((ticks * tick_size).toFixed(10)),
    quantity: QUANTITY_LOTS * lot_size,
    post_only: true,
    client_order_id: crypto.randomUUID(),
  };
  unanswered.set(side, order);
  try {
    await client.placeOrder(order);
  } catch (error) {
    // Without an answer it may stand all the same; one that was refused does not.
    if (!error.sent) unanswered.delete(side);
    throw error;
  }
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
