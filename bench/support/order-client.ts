// The order client's process: connections with one request in flight each (see order-messages.ts).
import type { Socket } from "node:net";
import { performance } from "node:perf_hooks";
import { build } from "hdr-histogram-js";
import { Random } from "../../src/shared/random.js";
import { textFrame } from "./client-frames.js";
import type { FrameTally } from "./frame-counter.js";
import { openConnection } from "./load-connection.js";
import {
  BATCH_ORDERS,
  type OrderInterval,
  type OrderMix,
  type OrderReplyMessage,
  type OrderRequestMessage,
} from "./order-messages.js";

const READ_BUFFER_BYTES = 64 * 1024;
const LATENCY_US_MAX = 600_000_000;
/** Different requests of a connection, which it sends in turn. */
const REQUESTS = 500;
const BATCHES = 40;
const SEED = 7;
/** Prices around one level, in ticks, so that about half of the orders trade at once. */
const MIDDLE_TICKS = 500;
const SPREAD_TICKS = 5;
const TICKS_PER_UNIT = 1000;
const QUANTITY_MAX = 10;
/** Messages that come before the first order's answer: Connected and Authenticated. */
const GREETINGS = 2;
/** How answers begin. */
const CARRIED_OUT: Readonly<Record<OrderMix, Buffer>> = {
  place: Buffer.from('{"type":"OrderUpdate"'),
  amend: Buffer.from('{"type":"OrderUpdate"'),
  cancel: Buffer.from('{"type":"OrderUpdate"'),
  batch: Buffer.from('{"type":"OrderResults"'),
};
/** What one of the results of a batch begins with. */
const RESULT = '{"order":';
/** Where an order rests that meets nobody. */
const RESTING_TICKS = 100;

const readBuffer = Buffer.allocUnsafeSlow(READ_BUFFER_BYTES);
const latency = build({ lowestDiscernibleValue: 1, highestTrackableValue: LATENCY_US_MAX });
const random = new Random(SEED);
const sockets: Socket[] = [];
let acknowledged = 0;
let refused = 0;
let refusal: string | undefined;
let intervalStart = performance.now();
let cpuStart = process.cpuUsage();

interface RequestedOrder {
  readonly market_id: number;
  readonly side: "Buy" | "Sell";
  readonly order_type: "Limit";
  readonly price: number;
  readonly quantity: number;
  readonly client_order_id?: string;
}

/** About half of these trade at once. */
function someOrder(marketIds: readonly number[]): RequestedOrder {
  const ticks = MIDDLE_TICKS - SPREAD_TICKS + random.below(2 * SPREAD_TICKS + 1);
  return {
    market_id: marketIds[random.below(marketIds.length)] as number,
    side: random.below(2) === 0 ? "Buy" : "Sell",
    order_type: "Limit",
    price: ticks / TICKS_PER_UNIT,
    quantity: 1 + random.below(QUANTITY_MAX),
  };
}

function restingOrder(marketIds: readonly number[], client_order_id: string): RequestedOrder {
  const price = RESTING_TICKS / TICKS_PER_UNIT;
  return { ...someOrder(marketIds), side: "Buy", price, client_order_id };
}

function frame(type: string, data: unknown): Buffer {
  return textFrame(JSON.stringify({ type, data, id: 1 }));
}

/** The requests of a connection: what it sends once at first, and what in turn from then on. */
function requestsOf(
  mix: OrderMix,
  marketIds: readonly number[],
): { readonly first: readonly Buffer[]; readonly next: () => Buffer } {
  const inTurn = (frames: readonly Buffer[]): (() => Buffer) => {
    let at = 0;
    return () => frames[at++ % frames.length] as Buffer;
  };
  const many = (count: number, make: () => Buffer): Buffer[] =>
    Array.from({ length: count }, () => make());
  switch (mix) {
    case "place":
      return {
        first: [],
        next: inTurn(many(REQUESTS, () => frame("PlaceOrder", { order: someOrder(marketIds) }))),
      };
    case "batch": {
      const orders = () => Array.from({ length: BATCH_ORDERS }, () => someOrder(marketIds));
      return {
        first: [],
        next: inTurn(many(BATCHES, () => frame("PlaceOrders", { orders: orders() }))),
      };
    }
    case "amend": {
      const name = "amended";
      const amends = [1, 2].map((ticks) =>
        frame("AmendOrder", {
          client_order_id: name,
          price: (RESTING_TICKS + ticks) / TICKS_PER_UNIT,
        }),
      );
      return {
        first: [frame("PlaceOrder", { order: restingOrder(marketIds, name) })],
        next: inTurn(amends),
      };
    }
    case "cancel": {
      let placed = 0;
      let isOpen = false;
      return {
        first: [],
        // An id is used once, so these frames are made as they are sent.
        next: () => {
          isOpen = !isOpen;
          const name = `cancelled-${isOpen ? ++placed : placed}`;
          return isOpen
            ? frame("PlaceOrder", { order: restingOrder(marketIds, name) })
            : frame("CancelOrder", { client_order_id: name });
        },
      };
    }
    default:
      return mix satisfies never;
  }
}

/** Connects; resolves when the first request is carried out. */
function startTrader(
  request: Extract<OrderRequestMessage, { kind: "start" }>,
  path: string,
): Promise<void> {
  const { mix, marketIds } = request;
  const { first, next } = requestsOf(mix, marketIds);
  const waiting = [...first];
  return new Promise((resolve, reject) => {
    let greetings = GREETINGS;
    let sentAt = 0;
    const send = (): void => {
      const bytes = waiting.shift() ?? next();
      sentAt = performance.now();
      socket.write(bytes);
    };
    const tally: FrameTally = {
      frames: 0,
      payloadBytes: 0,
      untilSample: 1,
      sampleEvery: 1,
      sample(chunk, start, end) {
        if (greetings > 0) {
          if (--greetings === 0) send();
          return;
        }
        latency.recordValue(Math.round((performance.now() - sentAt) * 1000));
        const said = CARRIED_OUT[mix];
        if (chunk.compare(said, 0, said.length, start, start + said.length) === 0) {
          acknowledged += mix === "batch" ? resultsIn(chunk.toString("latin1", start, end)) : 1;
          resolve();
        } else {
          refused++;
          refusal ??= chunk.toString("utf8", start, end);
        }
        send();
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

function resultsIn(answer: string): number {
  return answer.split(RESULT).length - 1;
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
