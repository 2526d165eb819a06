// The order client's process: connections with one order in flight each (see order-messages.ts).
import type { Socket } from "node:net";
import { performance } from "node:perf_hooks";
import { build } from "hdr-histogram-js";
import { Random } from "../../src/shared/random.js";
import { textFrame } from "./client-frames.js";
import type { FrameTally } from "./frame-counter.js";
import { openConnection } from "./load-connection.js";
import type { OrderInterval, OrderReplyMessage, OrderRequestMessage } from "./order-messages.js";

const READ_BUFFER_BYTES = 64 * 1024;
const LATENCY_US_MAX = 600_000_000;
/** Different orders of a connection, which it places in turn. */
const ORDERS = 500;
const SEED = 7;
/** Prices around one level, in ticks, so that about half of the orders trade at once. */
const MIDDLE_TICKS = 500;
const SPREAD_TICKS = 5;
const TICKS_PER_UNIT = 1000;
const QUANTITY_MAX = 10;
/** Messages that come before the first order's answer: Connected and Authenticated. */
const GREETINGS = 2;
const UPDATE = Buffer.from('{"type":"OrderUpdate"');

const readBuffer = Buffer.allocUnsafeSlow(READ_BUFFER_BYTES);
const latency = build({ lowestDiscernibleValue: 1, highestTrackableValue: LATENCY_US_MAX });
const random = new Random(SEED);
const sockets: Socket[] = [];
let acknowledged = 0;
let refused = 0;
let refusal: string | undefined;
let intervalStart = performance.now();
let cpuStart = process.cpuUsage();

function orderFrame(marketIds: readonly number[]): Buffer {
  const ticks = MIDDLE_TICKS - SPREAD_TICKS + random.below(2 * SPREAD_TICKS + 1);
  const order = {
    market_id: marketIds[random.below(marketIds.length)],
    side: random.below(2) === 0 ? "Buy" : "Sell",
    order_type: "Limit",
    price: ticks / TICKS_PER_UNIT,
    quantity: 1 + random.below(QUANTITY_MAX),
  };
  return textFrame(JSON.stringify({ type: "PlaceOrder", data: { order }, id: 1 }));
}

/** Connects; resolves when the first order is acknowledged. */
function startTrader(
  request: Extract<OrderRequestMessage, { kind: "start" }>,
  path: string,
): Promise<void> {
  const frames = Array.from({ length: ORDERS }, () => orderFrame(request.marketIds));
  return new Promise((resolve, reject) => {
    let greetings = GREETINGS;
    let next = 0;
    let sentAt = 0;
    const place = (): void => {
      sentAt = performance.now();
      socket.write(frames[next++ % ORDERS] as Buffer);
    };
    const tally: FrameTally = {
      frames: 0,
      payloadBytes: 0,
      untilSample: 1,
      sampleEvery: 1,
      sample(chunk, start, end) {
        if (greetings > 0) {
          if (--greetings === 0) place();
          return;
        }
        latency.recordValue(Math.round((performance.now() - sentAt) * 1000));
        if (chunk.compare(UPDATE, 0, UPDATE.length, start, start + UPDATE.length) === 0) {
          acknowledged++;
          resolve();
        } else {
          refused++;
          refusal ??= chunk.toString("utf8", start, end);
        }
        place();
      },
    };
    const { port, subprotocol } = request;
    const open = { kind: "open", port, path, subprotocol, count: 1, until: "upgrade" } as const;
    const socket = openConnection(open, readBuffer, tally, {
      upgraded: () => {},
      firstPush: () => {},
      lost: (reason) => reject(new Error(`an order connection ended: ${reason}`)),
    });
    sockets.push(socket);
  });
}

function endInterval(): OrderInterval {
  const now = performance.now();
  const seconds = (now - intervalStart) / 1000;
  const cpu = process.cpuUsage(cpuStart);
  const interval: OrderInterval = {
    kind: "interval",
    seconds,
    acknowledged,
    refused,
    refusal,
    latency: {
      samples: latency.totalCount,
      p50: latency.getValueAtPercentile(50),
      p99: latency.getValueAtPercentile(99),
      p999: latency.getValueAtPercentile(99.9),
      max: latency.maxValue,
    },
    cpuCores: (cpu.user + cpu.system) / 1e6 / seconds,
  };
  intervalStart = now;
  cpuStart = process.cpuUsage();
  acknowledged = refused = 0;
  refusal = undefined;
  latency.reset();
  return interval;
}

async function answer(request: OrderRequestMessage): Promise<OrderReplyMessage> {
  switch (request.kind) {
    case "start":
      await Promise.all(request.paths.map((path) => startTrader(request, path)));
      return { kind: "started" };
    case "interval":
      return endInterval();
    case "stop":
      for (const socket of sockets) socket.resetAndDestroy();
      return { kind: "stopped" };
  }
}

process.on("message", async (request: OrderRequestMessage) => {
  process.send?.(await answer(request));
});
process.on("disconnect", () => process.exit());
