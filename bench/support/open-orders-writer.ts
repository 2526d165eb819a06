// Writes open orders to the store of a data directory, as a server with many traders leaves them, and kills
// itself: the last ones are in the journal alone.
import type { Order } from "../../src/engine/order.js";
import { Store } from "../../src/store/store.js";
import { storeDirectory } from "../../src/store/store-file.js";

const [dataDir = "", count = "0"] = process.argv.slice(2);
const ORDERS = Number(count);
/** Of the markets that a server has without a markets file. */
const FIRST_MARKET_ID = 1001;
const MARKETS = 50;
const WALLETS = 5000;
const ORDERS_PER_COMMIT = 500;
const ORDERS_PER_PRUNING = 20_000;
const DAY_MS = 86_400_000;
const BEGIN_TS = Date.now() * 1000;
/** Bids are below it, and asks above. */
const MIDDLE = 500;

function order(orderId: number): Order {
  const side = orderId % 2 === 0 ? "Buy" : "Sell";
  const away = 1 + ((orderId * 7919) % (MIDDLE - 1));
  return {
    orderId,
    marketId: FIRST_MARKET_ID + (orderId % MARKETS),
    wallet: `0x${(orderId % WALLETS).toString(16).padStart(40, "0")}`,
    clientOrderId: orderId % 3 === 0 ? undefined : `order-${orderId}`,
    side,
    orderType: "Limit",
    timeInForce: "GTC",
    postOnly: false,
    selfTrade: "CancelTaker",
    expiresTs: undefined,
    price: side === "Buy" ? MIDDLE - away : MIDDLE + away,
    quantity: 1 + (orderId % 100),
    session: undefined,
    priority: orderId,
    original: undefined,
    filled: 0,
    filledValue: 0n,
    status: "Open",
    reason: undefined,
    reasonCode: undefined,
    createdTs: BEGIN_TS + orderId,
    updatedTs: BEGIN_TS + orderId,
  };
}

const store = await Store.open(storeDirectory(dataDir), {
  orderRetentionMs: 7 * DAY_MS,
  maxStoredOrders: 1_000_000,
  clientOrderIdRetentionMs: DAY_MS,
  tradeRetentionMs: 7 * DAY_MS,
  maxStoredTrades: 1_000_000,
});
for (let id = 1; id <= ORDERS; ) {
  const end = Math.min(ORDERS, id + ORDERS_PER_COMMIT - 1);
  const orders: Order[] = [];
  for (; id <= end; id++) orders.push(order(id));
  const nothing = {
    trades: [],
    positions: [],
    totals: [],
    timers: [],
    markets: [],
    nextTradeId: 1,
  };
  await store.commit({ ...nothing, orders, nextOrderId: id }, [], BEGIN_TS + id);
  // A server does so once a second; the last ones have not been in its indexes.
  if (end % ORDERS_PER_PRUNING === 0 && end < ORDERS) await store.prune(BEGIN_TS + id);
}
process.kill(process.pid, "SIGKILL");
