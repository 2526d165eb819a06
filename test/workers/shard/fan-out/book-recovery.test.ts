import { beforeEach, expect, test } from "vitest";
import type { ServerMessage } from "../../../../src/contract/messages.js";
import { createBook } from "../../../../src/shared/market.js";
import { parseFrames } from "../../../support/frames.js";
import { type Client, ShardWorld } from "../../../support/shard-world.js";

const ID = 1;
const BOOK = { type: "Book", params: { market_id: ID, depth: 5, checksum: true } } as const;

let world: ShardWorld;
/** `ts` of each book, by its `seq`. */
let times: number[];

beforeEach(() => {
  world = new ShardWorld({ sizes: { ringSize: 1 << 16 } });
  times = [0];
  world.list(ID);
});

/** Publishes a book of some levels a side, whose prices its number tells. */
function publish(levels = 8): void {
  const book = createBook();
  for (const [side, deeper] of [
    [book.bids, -1],
    [book.asks, 1],
  ] as const) {
    side.length = levels;
    for (let level = 0; level < levels; level++) {
      side.price[level] = 1000 + deeper * (1 + level + times.length);
      side.quantity[level] = 10;
    }
  }
  world.publisher.book(world.market(ID), book);
  world.flush();
  times.push(world.nowMicros);
  world.round();
}

function connect(): { readonly client: Client; take(): ServerMessage[] } {
  const client = world.connect(0);
  let bytes = Buffer.alloc(0);
  client.socket.onData = (more) => {
    bytes = Buffer.concat([bytes, more]);
  };
  const take = (): ServerMessage[] => {
    world.serve();
    const messages = parseFrames(bytes).map(({ payload }) => JSON.parse(payload.toString()));
    bytes = Buffer.alloc(0);
    return messages;
  };
  return { client, take };
}

/** What a message says of a book: its type, `seq` and best bid, in ticks. */
function said(message: ServerMessage): unknown {
  if (message.type === "OrderBook") {
    const { bids, seq, depth, checksum } = message.data;
    expect([bids.length, depth, typeof checksum]).toEqual([5, 5, "number"]);
    return [seq, Math.round((bids[0]?.[0] ?? 0) * 100)];
  }
  if (message.type === "BookUpdate") return `${message.data.prev_seq} to ${message.data.seq}`;
  return message.type === "Subscribed" ? message.data.channels[0]?.recovered : message.type;
}

const bestBid = (seq: number): number => 1000 - 1 - seq;

test("book recovery - every book since comes whole, then the latest, and updates go on from there", () => {
  for (let seq = 1; seq <= 10; seq++) publish();
  const { client, take } = connect();
  world.subscribe(client, { ...BOOK, since: times[7] });
  const books = [7, 8, 9, 10].map((seq) => [seq, bestBid(seq)]);
  expect(take().map(said)).toEqual([true, ...books, [10, bestBid(10)]]);
  publish();
  expect(take().map(said)).toEqual(["10 to 11"]);
  // One that is subscribed already goes back, and nothing is told beside that.
  world.subscribe(client, { ...BOOK, since: times[10] });
  expect(take().map(said)).toEqual([true, ...[10, 11, 11].map((seq) => [seq, bestBid(seq)])]);
  publish();
  expect(take().map(said)).toEqual(["11 to 12"]);
  // With nothing since there is the book alone.
  world.subscribe(client, { ...BOOK, since: (times[12] ?? 0) + 1 });
  expect(take().map(said)).toEqual([true, [12, bestBid(12)]]);
});

test("book recovery - what the window has lost is not recovered, and the latest book comes", () => {
  for (let seq = 1; seq <= 100; seq++) publish(50);
  const { client, take } = connect();
  world.subscribe(client, { ...BOOK, since: times[1] });
  expect(take().map(said)).toEqual([false, [100, bestBid(100)]]);
  world.subscribe(client, {
    ...BOOK,
    params: { ...BOOK.params, interval_ms: 100 },
    since: times[99],
  });
  expect(take().map(said)).toEqual([false, [100, bestBid(100)]]);
});
