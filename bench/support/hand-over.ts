import { MessageChannel, type MessagePort, receiveMessageOnPort } from "node:worker_threads";
import { Packr } from "msgpackr";
import type { ExchangeNews, ExchangeRequest } from "../../src/workers/messages.js";
import { median } from "./statistics.js";

const SIZES = [1, 16, 64] as const;
const ROUNDS = 5;
const MESSAGES_FULL = 60_000;
const MESSAGES_SHORT = 2000;

/** What it takes to hand one item over between a shard and the exchange, in µs of both threads. */
export interface HandOver {
  readonly what: "requests" | "answers";
  /** Items of one message: what a turn of the sender has gathered. */
  readonly items: number;
  readonly structuredCloneUs: number;
  readonly encodedBufferUs: number;
}

function request(index: number): ExchangeRequest {
  const order = {
    market_id: 1001,
    side: "Buy",
    order_type: "Limit",
    price: 0.5,
    quantity: 10,
    client_order_id: `order-${index}`,
  } as const;
  return { type: "place", request: index, wallet: "trader-1", order, boundTo: undefined };
}

function answer(index: number): ExchangeNews {
  const ts = 1_700_000_000_000_000 + index;
  return {
    type: "reply",
    request: index,
    changed: true,
    order: {
      order_id: `${index}`,
      client_order_id: `order-${index}`,
      market_id: 1001,
      wallet: "trader-1",
      side: "Buy",
      order_type: "Limit",
      time_in_force: "GTC",
      post_only: false,
      price: 0.5,
      quantity: 10,
      filled_quantity: 0,
      status: "Open",
      created_ts: ts,
      updated_ts: ts,
    },
  };
}

/**
 * Compares the two ways of handing what a turn has gathered to another thread: the objects themselves, which the
 * port clones, and one encoded buffer, whose memory goes with it. Alternating, both ends in one thread.
 */
export function measureHandOver(short: boolean): readonly HandOver[] {
  const count = short ? MESSAGES_SHORT : MESSAGES_FULL;
  const { port1, port2 } = new MessageChannel();
  try {
    return (["requests", "answers"] as const).flatMap((what) =>
      SIZES.map((items): HandOver => {
        const make: (index: number) => unknown = what === "requests" ? request : answer;
        const message = Array.from({ length: items }, (_, index) => make(index));
        const times = Math.ceil(count / items);
        const packr = new Packr({ useRecords: true });
        const cloned: number[] = [];
        const encoded: number[] = [];
        for (let round = 0; round < ROUNDS; round++) {
          cloned.push(timed(times, () => cloneOver(port1, port2, message)) / items);
          encoded.push(timed(times, () => bufferOver(port1, port2, packr, message)) / items);
        }
        return {
          what,
          items,
          structuredCloneUs: median(cloned),
          encodedBufferUs: median(encoded),
        };
      }),
    );
  } finally {
    port1.close();
  }
}

function cloneOver(from: MessagePort, to: MessagePort, message: readonly unknown[]): unknown {
  from.postMessage(message);
  return receiveMessageOnPort(to)?.message;
}

function bufferOver(
  from: MessagePort,
  to: MessagePort,
  packr: Packr,
  message: readonly unknown[],
): unknown {
  // The encoder uses its memory again, so what goes is a copy.
  const bytes = Uint8Array.prototype.slice.call(packr.pack(message));
  from.postMessage(bytes, [bytes.buffer]);
  return packr.unpack(receiveMessageOnPort(to)?.message);
}

/** Microseconds of one of so many. */
function timed(times: number, run: () => unknown): number {
  const start = performance.now();
  for (let done = 0; done < times; done++) run();
  return ((performance.now() - start) * 1000) / times;
}
