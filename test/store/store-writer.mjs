// Writes to a store without end, as a process or as a thread, and says after each commit how many
// there were. Commit n stores the open order 2n − 1, the finished order 2n, and trade n, beside many
// that weigh, so that a commit takes a while.
import { writeSync } from "node:fs";
import { parentPort, workerData } from "node:worker_threads";
import { Store } from "../../dist/store/store.js";

const WEIGHT = 40;
const { dir, retention } = workerData ?? JSON.parse(process.argv[2]);

function tell(commits) {
  if (parentPort === null) writeSync(1, `${commits}\n`);
  else parentPort.postMessage(commits);
}

function order(orderId, changes) {
  return {
    orderId,
    marketId: 1,
    wallet: `wallet-${orderId % 10}`,
    clientOrderId: undefined,
    side: "Buy",
    orderType: "Limit",
    timeInForce: "GTC",
    postOnly: false,
    selfTrade: "CancelTaker",
    expiresTs: undefined,
    price: 500,
    quantity: 10,
    session: undefined,
    priority: orderId,
    original: undefined,
    filled: 0,
    filledValue: 0n,
    status: "Open",
    reason: undefined,
    reasonCode: undefined,
    createdTs: orderId,
    updatedTs: orderId,
    ...changes,
  };
}

// Between two turns of the loop, as the server's producer ends: `terminate()` may come within LMDB.
parentPort?.on("message", () => process.exit(1));

const store = await Store.open(dir, retention);
let commits = (await store.load()).nextTradeId - 1;
tell(commits);
for (;;) {
  commits++;
  const cancelled = { status: "Cancelled", reason: "asked for", clientOrderId: `c${commits}` };
  await store.commit({
    orders: [order(2 * commits - 1), order(2 * commits, cancelled)],
    trades: [
      {
        tradeId: commits,
        marketId: 1,
        price: 500,
        quantity: 1,
        takerSide: "Buy",
        makerOrderId: 1,
        takerOrderId: 2,
        makerWallet: "a",
        takerWallet: "b",
        ts: commits,
      },
    ],
    positions: Array.from({ length: WEIGHT }, (_, index) => ({
      wallet: `wallet-${(commits * 7919 + index * 31) % 2000}`,
      marketId: 1,
      quantity: commits,
      cost: 0n,
      realizedPnl: 0n,
      updatedTs: commits,
    })),
    totals: [{ marketId: 1, lastPrice: 500, volume: commits }],
    timers: [],
    markets: [],
    nextOrderId: 2 * commits + 1,
    nextTradeId: commits + 1,
  });
  tell(commits);
  if (commits % 20 === 0) await store.prune(commits);
}
