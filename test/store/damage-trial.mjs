// Damages copies of a store's file at random and uses each as a server would. Says before each trial
// which seed it has, and after it what came of it: a crash shows as a trial without an end.
import {
  closeSync,
  copyFileSync,
  fstatSync,
  ftruncateSync,
  openSync,
  readSync,
  rmSync,
  writeSync,
} from "node:fs";
import { join } from "node:path";
import { Random } from "../../dist/shared/random.js";
import { Store } from "../../dist/store/store.js";

const PAGE = 4096;
const { original, dir, first, trials } = JSON.parse(process.argv[2]);
const RETENTION = {
  orderRetentionMs: 1,
  maxStoredOrders: 50,
  clientOrderIdRetentionMs: 1,
  tradeRetentionMs: 1,
  maxStoredTrades: 50,
};

function randomBytes(random, length) {
  return Buffer.from(Array.from({ length }, () => random.below(256)));
}

/** The ways in which a file is damaged. */
const DAMAGES = [
  function bytes(random, file, size) {
    for (let i = random.below(4); i >= 0; i--) {
      writeSync(file, randomBytes(random, 1), 0, 1, random.below(size));
    }
  },
  function header(random, file, size) {
    const at = random.below(size / PAGE) * PAGE + random.below(48);
    writeSync(file, randomBytes(random, 1 + random.below(8)), 0, undefined, at);
  },
  function page(random, file, size) {
    const content = random.below(2) === 0 ? Buffer.alloc(PAGE) : randomBytes(random, PAGE);
    writeSync(file, content, 0, PAGE, random.below(size / PAGE) * PAGE);
  },
  function misplacedPage(random, file, size) {
    const content = Buffer.alloc(PAGE);
    readSync(file, content, 0, PAGE, random.below(size / PAGE) * PAGE);
    writeSync(file, content, 0, PAGE, random.below(size / PAGE) * PAGE);
  },
  function cutOff(random, file, size) {
    ftruncateSync(file, random.below(size));
  },
];

function damage(random, path) {
  const file = openSync(path, "r+");
  const way = DAMAGES[random.below(DAMAGES.length)];
  way(random, file, fstatSync(file).size);
  closeSync(file);
  return way.name;
}

/** Reads everything and writes everywhere. */
async function use(store) {
  const state = await store.load();
  for (let orderId = 1; orderId < state.nextOrderId; orderId++) store.order(orderId);
  for (let round = 0; round < 3; round++) {
    await store.commit({ ...state, orders: state.openOrders, trades: [] });
    await store.commit({
      ...state,
      orders: state.openOrders.slice(0, 20).map((order) => ({
        ...order,
        status: "Cancelled",
        reason: "damage",
        reasonCode: "requested",
        orderId: state.nextOrderId + order.orderId,
      })),
      trades: [],
    });
    await store.prune(4e15);
  }
}

async function trial(seed) {
  const random = new Random(seed);
  rmSync(dir, { recursive: true, force: true });
  const empty = await Store.open(dir, RETENTION);
  await empty.close();
  copyFileSync(original, join(dir, "data.mdb"));
  const way = damage(random, join(dir, "data.mdb"));
  let store;
  try {
    store = await Store.open(dir, RETENTION);
    await use(store);
    return `${way}: harmless`;
  } catch (error) {
    if (error.code === "STORE_DAMAGED" || error.code === "STORE_VERSION") {
      return `${way}: ${error.code}`;
    }
    return `${way}: ${error.stack}`;
  } finally {
    await store?.close();
  }
}

for (let seed = first; seed < first + trials; seed++) {
  writeSync(1, `${JSON.stringify({ seed })}\n`);
  writeSync(1, `${JSON.stringify({ outcome: await trial(seed) })}\n`);
}
