import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { CoreClient } from "../../src/client/core-client.js";
import type { ClientOptions } from "../../src/client/options.js";
import type { Channel, ClientMessage, ServerMessage } from "../../src/contract/messages.js";
import { acceptance, type FakeConnection, FakeServer } from "../support/fake-server.js";

beforeEach(() => {
  vi.useFakeTimers({
    toFake: ["setTimeout", "clearTimeout", "setInterval", "clearInterval", "performance", "Date"],
  });
});
afterEach(() => {
  vi.useRealTimers();
});

const pass = async (ms: number): Promise<void> => void (await vi.advanceTimersByTimeAsync(ms));
const TRADES: Channel = { type: "Trades", params: { market_id: 1 } };
const trade = (seq: number, ts = seq * 10): ServerMessage => ({
  type: "TradeExecution",
  data: {
    trade: {
      trade_id: `t${seq}`,
      market_id: 1,
      price: 1,
      quantity: 1,
      taker_side: "Buy",
      seq,
      ts,
    },
  },
});

/** A server that answers a `since` with all trades from there on, if it still has them. */
class ReplayingServer extends FakeServer {
  readonly trades: ServerMessage[] = [];
  recovered: boolean | undefined = true;
  readonly sinces: (number | undefined)[] = [];

  constructor() {
    super((message, connection) => this.#answer(message, connection));
  }

  tell(...seqs: number[]): void {
    for (const seq of seqs) {
      this.trades.push(trade(seq));
      this.connection?.tell(trade(seq));
    }
  }

  #answer(message: ClientMessage, connection: FakeConnection): ServerMessage | undefined {
    if (message.type !== "Subscribe") return acceptance(message);
    const channels = message.data.channels.map(({ since, ...channel }) => {
      this.sinces.push(since);
      const known = since !== undefined && this.recovered !== undefined;
      return { ...channel, ...(known && { recovered: this.recovered }) } as Channel;
    });
    const from = message.data.channels[0]?.since;
    if (from !== undefined && this.recovered === true)
      setTimeout(() => {
        for (const one of this.trades)
          if (one.type === "TradeExecution" && one.data.trade.ts >= from) connection.tell(one);
      }, 2);
    return acceptance({ ...message, data: { channels } });
  }
}

interface World {
  readonly client: CoreClient;
  readonly seqs: number[];
  readonly events: string[];
}

function connect(server: FakeServer, options: Partial<ClientOptions> = {}): World {
  const quiet = { pingIntervalMs: 0, silenceTimeoutMs: 0, reconnectIntervalMs: 5 };
  const client = new CoreClient({ url: "ws://x", ...quiet, ...options }, server.platform);
  const seqs: number[] = [];
  const events: string[] = [];
  client.on("TradeExecution", ({ trade: { seq } }) => seqs.push(seq));
  client.on("state", ({ status }) => events.push(status));
  client.on("gap", ({ kind, missed }) => events.push(`${kind} ${missed}`));
  client.on("resubscribed", () => events.push("resubscribed"));
  return { client, seqs, events };
}

async function close({ client }: World): Promise<void> {
  const closing = client.close();
  await pass(3000);
  await closing;
}

describe("resume", () => {
  it.each([
    { recovered: true, gaps: [] },
    { recovered: false, gaps: ["disconnected 2"] },
    { recovered: undefined, gaps: ["disconnected 2"] },
  ])(
    "resume - what a cut connection missed is told once, or a gap: recovered $recovered",
    async ({ recovered, gaps }) => {
      const server = new ReplayingServer();
      server.recovered = recovered;
      const world = connect(server);
      const subscribed = world.client.subscribe([TRADES]);
      await pass(50);
      await subscribed;
      server.tell(1, 2);
      server.connection?.end(1012);
      server.tell(3, 4);
      await pass(500);
      server.tell(5);
      expect(server.sinces).toEqual([undefined, 20]);
      expect(world.seqs).toEqual(recovered === true ? [1, 2, 3, 4, 5] : [1, 2, 5]);
      expect(world.events.filter((event) => event.includes(" "))).toEqual(gaps);
      expect(world.events).toContain("resubscribed");
      expect(world.client.subscriptions).toEqual([TRADES]);
      await close(world);
    },
  );

  it("resume - trades before the first that came are not missed either", async () => {
    const server = new ReplayingServer();
    const world = connect(server);
    const subscribed = world.client.subscribe([TRADES]);
    const askedAtUs = Date.now() * 1000;
    await pass(50);
    await subscribed;
    server.connection?.end(1012);
    await pass(500);
    const [, since] = server.sinces;
    expect(since).toBeGreaterThan(askedAtUs - 1_000_000);
    expect(since).toBeLessThanOrEqual(askedAtUs + 50_000);
    await close(world);
  });

  it.each([
    ["of a market", TRADES],
    ["of all markets", { type: "Trades", params: null } as const],
  ])(
    "resume - trades %s that were told late, with a ts of before they were asked for, are not missed",
    async (_, channel) => {
      const server = new ReplayingServer();
      const world = connect(server);
      const subscribed = world.client.subscribe([channel]);
      await pass(50);
      await subscribed;
      const askedAtUs = Date.now() * 1000;
      const late = askedAtUs - 300_000;
      server.trades.push(trade(1, late), trade(2, late + 10));
      server.connection?.tell(trade(1, late));
      server.connection?.end(1012);
      await pass(500);
      expect(server.sinces.at(-1)).toBe(late);
      expect(world.seqs).toEqual([1, 2]);
      server.connection?.end(1012);
      await pass(500);
      expect(server.sinces.at(-1)).toBe(late + 10);
      await close(world);
    },
  );

  it("resume - a program's own since brings what there was, even for a second time", async () => {
    const server = new ReplayingServer();
    const world = connect(server);
    server.tell(1, 2, 3);
    const first = world.client.subscribe([{ ...TRADES, since: 20 }]);
    await pass(50);
    expect((await first).channels).toEqual([{ ...TRADES, recovered: true }]);
    expect(world.seqs).toEqual([2, 3]);
    const again = world.client.subscribe([{ ...TRADES, since: 10 }]);
    await pass(50);
    await again;
    server.tell(4);
    expect(world.seqs).toEqual([2, 3, 1, 2, 3, 4]);
    expect(world.client.subscriptions).toEqual([TRADES]);
    await close(world);
  });

  it("resume - before a shutdown the client moves over, open throughout, each trade once", async () => {
    const server = new ReplayingServer();
    const world = connect(server);
    const subscribed = world.client.subscribe([TRADES]);
    await pass(50);
    await subscribed;
    server.tell(1, 2);
    const [old] = server.connections;
    old?.tell({ type: "ServerShutdown", data: { deadline_ts: 1, reason: "restart" } });
    await pass(500);
    expect(server.connections.length).toBe(2);
    expect(old?.open).toBe(false);
    server.tell(3);
    await pass(500);
    expect(world.seqs).toEqual([1, 2, 3]);
    expect(world.events).toEqual(["open", "open", "resubscribed"]);
    expect(server.sinces).toEqual([undefined, 20]);
    await close(world);
  });

  it("resume - a link that ends before the next is open is one to reconnect after", async () => {
    const server = new ReplayingServer();
    const world = connect(server);
    await pass(50);
    server.connection?.tell({
      type: "ServerShutdown",
      data: { deadline_ts: 1, reason: "restart" },
    });
    server.connection?.end(1012);
    await pass(500);
    expect(world.events).toEqual(["open", "reconnecting", "open"]);
    expect(server.connections.length).toBe(2);
    await close(world);
  });

  it("resume - a session that another connection took ends the client", async () => {
    const server = new ReplayingServer();
    const world = connect(server);
    await pass(50);
    server.connection?.end(4003);
    await pass(5000);
    expect(world.client.state).toMatchObject({ status: "closed", code: 4003 });
    expect(server.connections.length).toBe(1);
  });

  it("resume - histories are read page by page, over a connection that breaks", async () => {
    const asked: unknown[] = [];
    const all = Array.from({ length: 2500 }, (_, index) => 2500 - index);
    const server = new FakeServer((message, connection) => {
      if ((message.type as string) !== "TradeHistory") return acceptance(message);
      const { limit, before } = message.data as unknown as { limit: number; before?: string };
      asked.push(message.data);
      // The second page is lost with its connection once.
      if (asked.length === 2) {
        connection.end(1012);
        return undefined;
      }
      const at = Number(before ?? 0);
      const trades = all.slice(at, at + limit);
      const next = at + limit < all.length ? { next: `${at + limit}` } : {};
      const data = { market_id: 1, trades, ...next };
      return { id: message.id, type: "TradePage", data } as unknown as ServerMessage;
    });
    const world = connect(server);
    const sizes: number[] = [];
    const reading = (async () => {
      for await (const page of world.client.history.trades({ market_id: 1, from: 5 }).pages())
        sizes.push(page.length);
      const some: unknown[] = [];
      for await (const one of world.client.history.trades({ market_id: 1, limit: 3 }))
        some.push(one);
      return some;
    })();
    await pass(3000);
    expect(await reading).toEqual([2500, 2499, 2498]);
    expect(sizes).toEqual([1000, 1000, 500]);
    expect(asked[1]).toEqual({ market_id: 1, from: 5, limit: 1000, before: "1000" });
    expect(asked[2]).toEqual(asked[1]);
    expect(asked.length).toBe(5);
    await close(world);
  });
});
