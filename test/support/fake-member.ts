import type { Closing } from "../../src/contract/closings.js";
import type { Holder } from "../../src/workers/shard/connections/fair-budget.js";
import type { FrameBatch, LentBatch } from "../../src/workers/shard/connections/frame-batch.js";
import type { Audience, Member } from "../../src/workers/shard/fan-out/audience.js";
import type { Mirror } from "../../src/workers/shard/fan-out/mirror.js";
import { MirrorMarket } from "../../src/workers/shard/fan-out/mirror-market.js";
import { messagesOf } from "./shard-world.js";

/** A member of audiences without a socket: the test says how it fares, and looks at what it was given. */
export class FakeMember implements Member {
  readonly encoding: number;
  readonly framing = undefined;
  readonly holder: Holder;
  userId: string | undefined;
  audience: Audience | undefined;
  open = true;
  blocked = false;
  loading = false;
  replay: Member["replay"];
  channelReplays = 0;
  charged = 0;
  missedSince = -1;
  offeredAtMiss = 0;
  marketsSince = 0;
  marketsTold: Map<number, number> | undefined;
  /** What was written, a list for each call. */
  readonly writes: (readonly FrameBatch[])[] = [];
  queue: FrameBatch[] = [];
  conflated = 0;
  closedFor: string | undefined;
  #counted = 0;

  constructor(encoding = 0, name = "member") {
    this.encoding = encoding;
    this.holder = { name, group: name };
  }

  get waiting(): boolean {
    return this.blocked || this.loading;
  }

  get behind(): boolean {
    return this.missedSince >= 0;
  }

  get hasQueue(): boolean {
    return this.queue.length > 0;
  }

  get current(): boolean {
    return !this.waiting && !this.behind && !this.hasQueue;
  }

  moveTo(audience: Audience | undefined): void {
    this.audience = audience;
  }

  writeLent(batch: LentBatch): void {
    this.writeAll([{ bytes: batch.copy(), messages: batch.messages }]);
  }

  writeAll(batches: readonly FrameBatch[]): void {
    if (batches.length > 0) this.writes.push(batches);
  }

  reply(batches: readonly FrameBatch[]): void {
    this.writeAll(batches);
  }

  chargeAnswer(bytes: number): void {
    this.charged += bytes;
  }

  enqueue(batch: FrameBatch): void {
    this.queue.push(batch);
  }

  takeQueue(): readonly FrameBatch[] {
    return this.queue.splice(0);
  }

  close({ reason }: Closing): void {
    this.closedFor = reason;
    this.open = false;
  }

  miss(round: number, offered: number): void {
    if (this.behind) return;
    this.missedSince = round;
    this.offeredAtMiss = offered;
  }

  conflate(messages: number): number {
    const more = Math.max(0, messages - this.#counted);
    this.#counted += more;
    this.conflated += more;
    return more;
  }

  caughtUp(): void {
    this.missedSince = -1;
    this.#counted = 0;
  }

  toldMarkets(round: number): void {
    this.marketsSince = round;
    this.marketsTold = undefined;
  }

  toldMarket(slot: number, round: number): void {
    this.marketsTold ??= new Map();
    this.marketsTold.set(slot, round);
  }
}

/** Markets of ids 0, 1, … in the slots of their ids, Active and with a first state of round 0. */
export function fakeMarkets(count: number): MirrorMarket[] {
  return Array.from({ length: count }, (_, slot) => {
    const definition = { marketId: slot, title: `Market ${slot}`, tickSize: 1, lotSize: 1 };
    return Object.assign(new MirrorMarket(slot, definition), { stateSeq: 1, priceSeq: 1, ts: 1 });
  });
}

/** A mirror that stands where the test puts its markets. */
export function fakeMirror(markets: readonly MirrorMarket[]): Mirror {
  const find = (id: unknown) => markets.find(({ marketId }) => marketId === id);
  const newestTradeSeq = ({ tradeSeq }: MirrorMarket): number => tradeSeq;
  return { markets, find, newestTradeSeq, position: 0, version: 1 } as unknown as Mirror;
}

/** What batches say, a text for each message: its market, and its update type if it has one. */
export function toldBy(batches: readonly FrameBatch[], encoding = 0): string[] {
  return batches.flatMap(({ bytes, messages }) => {
    const all = messagesOf(bytes, encoding);
    if (all.length !== messages) throw new Error(`${all.length} messages, said to be ${messages}`);
    return all.map((message) => {
      switch (message.type) {
        case "MarketUpdate":
          return `${message.data.update_type} ${message.data.market.market_id}`;
        case "PriceUpdate":
          return `PriceUpdate ${message.data.market_id}`;
        case "OrderBook":
          return `OrderBook ${message.data.market_id}`;
        default:
          return message.type;
      }
    });
  });
}
