import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from "vitest";
import type { Gap } from "../../src/client/events.js";
import type { MarketcastClient } from "../../src/client/node.js";
import { ENCODINGS } from "../../src/contract/encodings.js";
import type { Channel } from "../../src/contract/messages.js";
import { closeClients, collect, newClient, nextEvent } from "../support/client-harness.js";
import { FrameProxy } from "../support/frame-proxy.js";
import { Sequences } from "../support/sequences.js";
import { type ServerProcess, startServerProcess } from "../support/server-process.js";

let server: ServerProcess;
let proxy: FrameProxy;
beforeAll(async () => {
  const flags = {
    feed: "synthetic",
    shards: 1,
    "feed-markets": 3,
    "feed-rate": 300,
    "market-interval": 50,
    // So little that a connection which was away is not told what it missed.
    "max-replay-messages": 1,
  };
  server = await startServerProcess(flags, { threadEnds: true });
  proxy = await FrameProxy.start(server.port);
});
beforeEach(() => {
  proxy.rules = {};
});
afterEach(closeClients);
afterAll(() => Promise.all([proxy.close(), server.dispose()]));

const MARKETS = [1001, 1002, 1003];
const CHANNELS: readonly Channel[] = [
  ...MARKETS.map((market_id): Channel => ({ type: "Market", params: { market_id } })),
  { type: "PriceFeed", params: { market_ids: MARKETS } },
  { type: "Trades" },
];

/** The jumps that a client has reported, in the words of {@link Sequences}. */
const wordsOf = ({ stream, marketId, from, to }: Gap): string =>
  `${stream} ${marketId}: ${from} -> ${to}`;

/** Resolves when every stream of every market has had two messages. */
async function untilAllFlow(client: MarketcastClient, sequences: Sequences): Promise<void> {
  for (const id of MARKETS) {
    for (const stream of ["state", "price", "book", "trade"]) {
      const first = sequences.last(stream, id);
      const moved = (): boolean => sequences.last(stream, id) !== first;
      while (!moved()) await nextEvent(client, "message", moved);
    }
  }
}

describe.each(ENCODINGS)("gaps, %s", (encoding) => {
  it(`gaps - all that the messages show, and no others, in ${encoding}`, async () => {
    const client = newClient(proxy.url, { encoding });
    const gaps = collect(client, "gap");
    const sequences = new Sequences();
    client.on("message", (message) => sequences.take(message as never));
    await client.subscribe(CHANNELS);
    await untilAllFlow(client, sequences);
    // On a busy machine the server may conflate; what it did not, is no gap.
    expect(gaps.map(wordsOf)).toEqual(sequences.jumps);
  });

  it.each(["state", "price", "book", "trade"] as const)(
    `gaps - what a proxy drops of %s is told to the number, in ${encoding}`,
    async (stream) => {
      const client = newClient(proxy.url, { encoding });
      const gaps = collect(client, "gap");
      const sequences = new Sequences();
      client.on("message", (message) => sequences.take(message as never));
      await client.subscribe(CHANNELS);
      await untilAllFlow(client, sequences);

      const dropped = new Sequences();
      const before = sequences.last(stream, 1001) as number;
      proxy.rules.dropFromServer = (message) => {
        const probe = new Sequences();
        probe.take(message as never);
        const seq = probe.last(stream, 1001);
        if (seq === undefined || seq <= before || (dropped.counts.get(stream) ?? 0) === 3)
          return false;
        dropped.take(message as never);
        return true;
      };
      const last = (): number => dropped.last(stream, 1001) ?? 0;
      const gap = await nextEvent(
        client,
        "gap",
        (one) => one.stream === stream && one.marketId === 1001 && one.to > last() && last() > 0,
      );
      expect(gap.missed).toBe(gap.to - gap.from - 1);
      expect(gap.missed).toBeGreaterThanOrEqual(3);
      expect(gap.kind).toBe(stream === "trade" ? "lost" : "conflated");
      expect(dropped.counts.get(stream)).toBe(3);
      expect(gaps.map(wordsOf)).toEqual(sequences.jumps.slice(0, gaps.length));
      if (stream === "trade") expect(gap.to - 1).toBe(last());
    },
  );

  it(`gaps - across a reconnect that cannot be recovered they are of kind disconnected, in ${encoding}`, async () => {
    const client = newClient(proxy.url, { encoding });
    const sequences = new Sequences();
    client.on("message", (message) => sequences.take(message as never));
    await client.subscribe(CHANNELS);
    await untilAllFlow(client, sequences);
    const lost = nextEvent(client, "state", ({ status }) => status === "reconnecting");
    proxy.refusing = true;
    proxy.cut();
    await lost;
    // A client that stays connected says when there is something to have missed in every stream.
    const witness = newClient(server.port, { encoding });
    const seen = new Sequences();
    witness.on("message", (message) => seen.take(message as never));
    await witness.subscribe(CHANNELS);
    for (let more = 0; more < 3; more++) await untilAllFlow(witness, seen);

    const told = new Set<string>();
    const all = nextEvent(client, "gap", ({ stream, marketId, from, to, kind }) => {
      if (kind !== "disconnected") return false;
      expect(from).toBe(sequences.last(stream, marketId));
      expect(to).toBeGreaterThan(from + 1);
      return told.add(`${stream} ${marketId}`).size === 4 * MARKETS.length;
    });
    proxy.refusing = false;
    await all;
  });

  it(`gaps - a new epoch is an epoch event and no gap, in ${encoding}`, async () => {
    const client = newClient(proxy.url, { encoding });
    const gaps = collect(client, "gap");
    await client.subscribe(CHANNELS);
    await nextEvent(client, "TradeExecution");
    const before = client.state.status === "open" ? client.state.epoch : "";
    const changed = nextEvent(client, "epoch");
    server.command({ restartProducer: true });
    const { epoch, previous } = await changed;
    expect(previous).toBe(before);
    expect(epoch).not.toBe(previous);
    for (const marketId of MARKETS) {
      await nextEvent(
        client,
        "PriceUpdate",
        ({ market_id, seq }) => market_id === marketId && seq > 3,
      );
    }
    expect(gaps.filter(({ kind }) => kind !== "conflated")).toEqual([]);
    expect(client.state).toMatchObject({ status: "open", epoch });
  });
});

describe("gaps", () => {
  it("gaps - on Markets, where jumps are normal, there are none", async () => {
    const client = newClient(proxy.url);
    const gaps = collect(client, "gap");
    await client.subscribe([{ type: "Markets" }]);
    const last = new Map<unknown, number>();
    const jump = await nextEvent(client, "MarketUpdate", ({ market: { market_id, seq } }) => {
      const before = last.get(market_id);
      last.set(market_id, seq);
      return before !== undefined && seq > before + 1;
    });
    expect(jump.market.seq).toBeGreaterThan(1);
    expect(gaps).toEqual([]);
  });
});
