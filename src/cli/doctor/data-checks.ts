import { setTimeout as sleep } from "node:timers/promises";
import type { Market, MarketcastClient, MessageEvents } from "../../client/node.js";
import { nowMicros } from "../../shared/clock.js";
import { type Check, passed, skipped } from "./check.js";
import { Deliveries } from "./deliveries.js";
import type { Examination } from "./examination.js";

const PINGS = 10;
/** Markets whose prices are measured; the most that one subscription may name. */
const MARKETS_MAX = 1000;

/** The client of an earlier check. Throws where that has lost its connection since. */
export function clientOf({ client }: Examination): MarketcastClient {
  if (client?.state.status === "open") return client;
  throw new Error("the connection is gone");
}

function milliseconds(ms: number): string {
  return `${ms.toFixed(ms < 10 ? 2 : 1)} ms`;
}

/** The data of the next message of a type, asked for by `ask`. Rejects where there is none in time. */
async function dataAfter<T extends keyof MessageEvents>(
  { subject: { timeoutMs } }: Examination,
  client: MarketcastClient,
  type: T,
  ask: () => Promise<unknown>,
): Promise<MessageEvents[T]> {
  const signal = AbortSignal.timeout(timeoutMs);
  const coming = new Promise<MessageEvents[T]>((resolve, reject) => {
    client.once(type, resolve as (data: unknown) => void);
    signal.addEventListener("abort", () => reject(new Error(`no ${type} within ${timeoutMs} ms`)));
  });
  const [data] = await Promise.all([coming, ask()]);
  return data;
}

/**
 * How far the server's clock is ahead, in milliseconds, from a ping's answer; 0 where what the round
 * trip leaves open, and the server's whole milliseconds, allow for equal clocks.
 */
function serverAheadMs(serverTimeMs: number, receivedMs: number, rttMs: number): number {
  // Whole milliseconds are rounded down: on average half of one is missing.
  const aheadMs = serverTimeMs + 0.5 - (receivedMs - rttMs / 2);
  return Math.abs(aheadMs) <= rttMs / 2 + 2 ? 0 : aheadMs;
}

const ping: Check = {
  name: "ping",
  needs: ["json"],
  async run(examination) {
    const client = clientOf(examination);
    let best = { rttMs: Number.POSITIVE_INFINITY, serverTimeMs: 0, receivedMs: 0 };
    const off = client.on("Pong", ({ server_time }) => {
      const { rttMs = Number.POSITIVE_INFINITY } = client.stats;
      const receivedMs = nowMicros() / 1000;
      if (rttMs < best.rttMs) best = { rttMs, serverTimeMs: server_time, receivedMs };
    });
    const rttsMs: number[] = [];
    for (let n = 0; n < PINGS; n++) rttsMs.push(await client.ping());
    off();
    rttsMs.sort((a, b) => a - b);
    const [minMs = 0, medianMs = 0, maxMs = 0] = [rttsMs[0], rttsMs[PINGS >> 1], rttsMs.at(-1)];
    const aheadMs = serverAheadMs(best.serverTimeMs, best.receivedMs, best.rttMs);
    examination.serverAheadMs = aheadMs;
    const clocks =
      aheadMs === 0
        ? ""
        : `; the server's clock is ${milliseconds(Math.abs(aheadMs))} ${aheadMs > 0 ? "ahead" : "behind"}`;
    return passed(
      `round trip ${milliseconds(medianMs)}, from ${milliseconds(minMs)} to ${milliseconds(maxMs)}${clocks}`,
      {
        rtt_min_ms: minMs,
        rtt_median_ms: medianMs,
        rtt_max_ms: maxMs,
        server_clock_ahead_ms: aheadMs,
      },
    );
  },
};

const subscription: Check = {
  name: "subscription",
  needs: ["json"],
  async run(examination) {
    const client = clientOf(examination);
    const { markets } = await dataAfter(examination, client, "MarketSnapshot", () =>
      client.subscribe([{ type: "Markets" }]),
    );
    const { status } = await dataAfter(examination, client, "SystemStatus", () =>
      client.subscribe([{ type: "SystemStatus" }]),
    );
    // Its updates wait for their interval, and would be taken for late ones.
    await client.unsubscribe([{ type: "Markets" }, { type: "SystemStatus" }]);
    const active = markets.filter((market: Market) => market.status === "Active");
    examination.activeMarkets = active.slice(0, MARKETS_MAX).map((market) => market.market_id);
    const why = status.reasons.length === 0 ? "" : ` (${status.reasons.join(", ")})`;
    return passed(
      `${markets.length} markets, ${active.length} of them active; the server is ${status.state}${why}`,
      { markets: markets.length, active_markets: active.length },
    );
  },
};

/** Makes the check of delivery, which measures for `durationMs`. */
function deliveryCheck(durationMs: number): Check {
  return {
    name: "delivery",
    needs: ["subscription", "ping"],
    durationMs,
    async run(examination) {
      const market_ids = examination.activeMarkets;
      if (market_ids.length === 0) return skipped("no market is active");
      const client = clientOf(examination);
      const deliveries = new Deliveries(examination.serverAheadMs);
      const off = client.on("message", (message) => deliveries.take(message));
      await client.subscribe([{ type: "PriceFeed", params: { market_ids } }, { type: "Trades" }]);
      // First data, which may be old, are there before the answer to a ping.
      await client.ping();
      deliveries.measure();
      const startedMs = performance.now();
      await sleep(durationMs);
      const seconds = (performance.now() - startedMs) / 1000;
      off();
      const { count } = deliveries;
      await client.unsubscribe(client.subscriptions);
      if (count === 0)
        throw new Error(
          `no price and no trade of ${market_ids.length} markets in ${durationMs} ms`,
        );
      examination.deliveries = deliveries;
      const [p50Ms, p99Ms] = [deliveries.ageMs(50), deliveries.ageMs(99)];
      const perSecond = count / seconds;
      const corrected = examination.serverAheadMs === 0 ? "" : ", the clocks' difference taken off";
      return passed(
        `${perSecond.toFixed(0)} messages/s; latency p50 ${milliseconds(p50Ms)}, p99 ${milliseconds(p99Ms)}${corrected}`,
        {
          messages: count,
          messages_per_second: perSecond,
          latency_p50_ms: p50Ms,
          latency_p99_ms: p99Ms,
          latency_max_ms: deliveries.ageMs(100),
        },
      );
    },
  };
}

const sequence: Check = {
  name: "sequence",
  needs: ["delivery"],
  async run({ deliveries }) {
    if (deliveries === undefined) throw new Error("nothing was measured");
    const { streams, conflated, faults, firstFault } = deliveries;
    if (faults > 0) throw new Error(`${faults} faults, the first in ${firstFault}`);
    if (streams === 0) return skipped("no stream had two messages");
    const left = conflated === 0 ? "no number is missing" : `${conflated} prices were conflated`;
    return passed(`${left} in ${streams} streams`, { streams, conflated });
  },
};

/** What a subscriber gets, how fast, and whether all of it. */
export function dataChecks(durationMs: number): Check[] {
  return [ping, subscription, deliveryCheck(durationMs), sequence];
}
