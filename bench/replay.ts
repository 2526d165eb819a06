import type { Socket } from "node:net";
import { setTimeout as wait } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { nowMicros } from "../src/shared/clock.js";
import type { BenchOptions, BenchReport } from "./support/bench-options.js";
import { latencyOf } from "./support/due-time.js";
import type { FrameTally } from "./support/frame-counter.js";
import { QUOTED_MARKET_ID, TRADED_MARKET_ID, TRADES_PER_MARKET } from "./support/history-feed.js";
import { openConnection } from "./support/load-connection.js";
import { type ServerUnderTest, startMarketcastWith } from "./support/server-under-test.js";
import { formatTable } from "./support/table.js";
import { atLeast, atMost } from "./support/target-checks.js";

const FEED = fileURLToPath(new URL("./support/history-feed.js", import.meta.url));
const QUOTES_PER_SECOND = 1000;
const LIVE_CLIENTS = 10;
const MISSED = 100;
const MEBIBYTE = 1024 * 1024;

const RATE_MIN = 500_000;
const P99_RISE_MS_MAX = 5;
const RESUMED_S_MAX = 2;

/** Frames of the server's before the first trade: its greeting, and the answer. */
const REPLIES = 2;

/**
 * A client that is sent everything there was of a market, beside others that are sent quotes; then many that
 * come back at once and have missed a hundred trades each.
 */
export async function runReplay({ short }: BenchOptions): Promise<BenchReport> {
  const thousands = short ? 20 : 1000;
  const trades = thousands * TRADES_PER_MARKET;
  const clients = short ? 50 : 1000;
  const server = await startMarketcastWith(
    {
      feed: "module",
      "feed-module": FEED,
      "feed-markets": thousands,
      "feed-rate": QUOTES_PER_SECOND,
      "replay-window": 128 * MEBIBYTE,
      "max-replay-messages": 10_000_000,
    },
    [],
  );
  try {
    const live = await Live.open(server);
    await allPublished(server, trades);
    live.latencies.length = 0;
    await wait(short ? 500 : 3000);
    const p99Before = live.p99Ms();
    live.latencies.length = 0;
    const whole = await replay(server, trades, 0);
    const p99During = live.p99Ms();
    live.close();
    const startedAt = performance.now();
    await Promise.all(
      Array.from({ length: clients }, () => replay(server, MISSED, whole.missedSince)),
    );
    const resumedS = (performance.now() - startedAt) / 1000;
    const rate = trades / whole.seconds;
    console.log(
      formatTable(
        ["", "figure"],
        [
          ["trades replayed to one client, a second", String(Math.round(rate))],
          [
            "p99 of others, before and during, ms",
            `${p99Before.toFixed(2)}, ${p99During.toFixed(2)}`,
          ],
          [`${clients} clients that missed ${MISSED} trades, s`, resumedS.toFixed(2)],
        ],
      ),
    );
    return {
      parameters: {
        trades,
        clients,
        missed: MISSED,
        liveClients: LIVE_CLIENTS,
        quotesPerSecond: QUOTES_PER_SECOND,
      },
      results: { rate, p99Before, p99During, resumedS },
      targets: [
        atLeast("trades replayed to one client", rate, RATE_MIN, "/s"),
        atMost("rise of others' p99 meanwhile", p99During - p99Before, P99_RISE_MS_MAX, " ms"),
        atMost("all who missed some are served", resumedS, RESUMED_S_MAX, " s"),
      ],
    };
  } finally {
    await server.stop();
  }
}

/** Clients that are sent quotes, and how late these come, in µs. */
class Live {
  readonly latencies: number[] = [];
  readonly #sockets: Socket[] = [];

  static async open(server: ServerUnderTest): Promise<Live> {
    const live = new Live();
    const subscribe = subscription({
      type: "PriceFeed",
      params: { market_ids: [QUOTED_MARKET_ID] },
    });
    for (let number = 0; number < LIVE_CLIENTS; number++) {
      const tally = tallyOf(1, (chunk, start, end) => {
        const json = chunk.toString("latin1", start, end);
        if (json.includes("PriceUpdate")) live.latencies.push(latencyOf(json, nowMicros()));
      });
      live.#sockets.push(await connected(server, subscribe, tally));
    }
    return live;
  }

  p99Ms(): number {
    const sorted = this.latencies.sort((a, b) => a - b);
    return (sorted[Math.floor(sorted.length * 0.99)] ?? Number.NaN) / 1000;
  }

  close(): void {
    for (const socket of this.#sockets) socket.destroy();
  }
}

/** Waits until everything of the traded market has been told. */
async function allPublished({ opsPort }: ServerUnderTest, trades: number): Promise<void> {
  for (;;) {
    const metrics = await (await fetch(`http://127.0.0.1:${opsPort}/metrics`)).text();
    const told = /^marketcast_trades_total (\d+)/m.exec(metrics)?.[1];
    if (Number(told) >= trades) return;
    await wait(50);
  }
}

/** Has so many trades since a `ts` replayed to a client of its own. */
async function replay(
  server: ServerUnderTest,
  trades: number,
  since: number,
): Promise<{ readonly seconds: number; readonly missedSince: number }> {
  let missedSince = 0;
  const tally = tallyOf(REPLIES + trades - MISSED + 1, (chunk, start, end) => {
    if (missedSince === 0)
      missedSince = Number(/"ts":(\d+)/.exec(chunk.toString("latin1", start, end))?.[1]);
  });
  const channel = { type: "Trades", params: { market_id: TRADED_MARKET_ID }, since };
  const startedAt = performance.now();
  const socket = await connected(server, subscription(channel), tally);
  while (tally.frames < REPLIES + trades) await wait(1);
  socket.destroy();
  return { seconds: (performance.now() - startedAt) / 1000, missedSince };
}

function subscription(channel: object): string {
  return JSON.stringify({ type: "Subscribe", data: { channels: [channel] } });
}

function tallyOf(sampleEvery: number, sample: FrameTally["sample"]): FrameTally {
  return { frames: 0, payloadBytes: 0, untilSample: sampleEvery, sampleEvery, sample };
}

function connected(server: ServerUnderTest, subscribe: string, tally: FrameTally): Promise<Socket> {
  return new Promise((resolve, reject) => {
    const request = { ...server, subscribe, slow: false, binary: false, compression: false };
    const socket = openConnection(request, Buffer.alloc(64 * 1024), tally, {
      upgraded: () => {},
      firstPush: () => resolve(socket),
      lost: (reason) => reject(new Error(`a connection was lost: ${reason}`)),
    });
  });
}
