import { BurstClient, type BurstOptions, type BurstResult } from "./burst.js";
import { LoadClient } from "./load-client-process.js";
import type { LatencySummary } from "./load-messages.js";
import { readMetrics } from "./ops-metrics.js";
import { cpuSeconds } from "./process-figures.js";
import {
  type Offer,
  type ServerName,
  type ServerUnderTest,
  startServer,
  wantedShare,
} from "./server-under-test.js";
import { seconds } from "./wait.js";

const CONNECT_TIMEOUT_MS = 20_000;
/** About as many latencies a second are taken at any rate. Primes, lest they beat with the load. */
const SAMPLES_PER_SECOND = 5000;
const PRIMES = [1, 7, 17, 31, 61, 97, 199, 499, 997, 1999, 3989];
/** A rate counts as delivered where so much of it arrived: windows do not end on a message. */
const DELIVERED_SHARE_MIN = 0.98;

/** One server, one offer, one window of measurement. */
export interface Trial {
  readonly server: ServerName;
  readonly offer: Offer;
  readonly connections: number;
  readonly warmupSeconds: number;
  readonly windowSeconds: number;
  /** Connections beside them that read slowly, and are left out of all figures. */
  readonly slow?: number;
  /** Further clients to connect, all at once, while the fan-out goes on after the window. */
  readonly burst?: BurstOptions;
}

export interface TrialResult {
  readonly server: ServerName;
  readonly offer: Offer;
  /** Messages a second that the connections would have received in all, had every one arrived. */
  readonly offeredPerSecond: number;
  readonly deliveredPerSecond: number;
  /** Conflated by the server; of a baseline, what was offered and not delivered. */
  readonly conflatedPerSecond: number;
  readonly ringLaps: number;
  /** Everything offered was delivered, nothing conflated. */
  readonly complete: boolean;
  readonly latency: LatencySummary;
  readonly serverCores: number;
  readonly serverMicrosPerDelivery: number;
  readonly clientCores: number;
  readonly clientIdle: number;
  readonly messagesPerFrame: number;
  /** Mean payload of a message; where its frame has several or is compressed, its share of that. */
  readonly messageBytes: number;
  readonly sample: string | undefined;
  readonly lost: Readonly<Record<string, number>>;
  /** Further clients that only connect, burst by burst, and such that wait for their first price. */
  readonly connected: readonly BurstResult[];
  readonly joined: BurstResult | undefined;
}

/** Runs a trial from the start of the server to its end. */
export async function runTrial(trial: Trial): Promise<TrialResult> {
  const burstClient = trial.burst && (await BurstClient.start(trial.burst));
  const server = await startServer(trial.server, trial.offer);
  const client = LoadClient.start();
  try {
    await connectAll(server, client, trial.connections);
    if (trial.slow !== undefined) await connectAll(server, client, trial.slow, true);
    server.startPublishing();
    await seconds(trial.warmupSeconds);
    const measured = await measure(trial, server, client);
    const connected = (await burstClient?.connect(server)) ?? [];
    const joined = await burstClient?.join(server);
    return { ...measured, connected, joined };
  } finally {
    await burstClient?.stop();
    await client.stop();
    await server.stop();
  }
}

/** Connects and subscribes `count` connections of a load client, such that read slowly if need be. */
export async function connectAll(
  server: ServerUnderTest,
  client: LoadClient,
  count: number,
  slow = false,
): Promise<void> {
  const { opened } = await client.open({
    ...clientOptions(server),
    slow,
    count,
    until: "upgrade",
    timeoutMs: CONNECT_TIMEOUT_MS,
  });
  if (opened < count) throw new Error(`only ${opened} of ${count} clients connected`);
}

function clientOptions(server: ServerUnderTest) {
  const { port, path, subprotocol, subscribe, binary } = server;
  return {
    port,
    path,
    batched: server.batched === true,
    compression: server.compression === true,
    ...(subprotocol === undefined ? {} : { subprotocol }),
    ...(subscribe === undefined ? {} : { subscribe }),
    ...(binary === undefined ? {} : { binary }),
  };
}

async function measure(
  trial: Trial,
  server: ServerUnderTest,
  client: LoadClient,
): Promise<Omit<TrialResult, "connected" | "joined">> {
  const { offer, connections } = trial;
  const before = await counts(server);
  const wantedEach = wantedShare(offer);
  await client.interval(samplingFor(offer.rate * wantedEach * connections));
  const cpuBefore = cpuSeconds(server.pid);
  await seconds(trial.windowSeconds);
  const interval = await client.interval(samplingFor(0));
  const cpu = cpuSeconds(server.pid) - cpuBefore;
  const after = await counts(server);

  const countedSeconds = (after.at - before.at) / 1000;
  const published = after.published - before.published;
  const rate = Number.isNaN(published) ? offer.rate : published / countedSeconds;
  const offeredPerSecond = rate * wantedEach * connections;
  // Batches are counted as frames by the client, and by message by the server alone.
  const delivered =
    offer.framing === undefined ? interval.frames : Math.max(1, after.sent - before.sent);
  const deliveredPerSecond = delivered / interval.seconds;
  const conflated = (after.conflated - before.conflated) / countedSeconds;
  const conflatedPerSecond =
    trial.server === "marketcast" ? conflated : Math.max(offeredPerSecond - deliveredPerSecond, 0);
  const wanted = (offer.rate === 0 ? rate : offer.rate) * wantedEach * connections;
  const arrived = deliveredPerSecond >= wanted * DELIVERED_SHARE_MIN;
  return {
    server: trial.server,
    offer,
    offeredPerSecond,
    deliveredPerSecond,
    conflatedPerSecond,
    ringLaps: after.laps - before.laps,
    complete: arrived && (trial.server !== "marketcast" || conflated === 0),
    latency: interval.latency,
    serverCores: cpu / interval.seconds,
    serverMicrosPerDelivery: (cpu * 1e6) / delivered,
    clientCores: interval.cpuCores,
    clientIdle: interval.idle,
    messagesPerFrame: delivered / interval.frames,
    messageBytes: interval.payloadBytes / delivered,
    sample: interval.sample,
    lost: interval.lost,
  };
}

/** A server's own counters at a moment. */
async function counts(server: ServerUnderTest) {
  const published = (await server.published()) ?? Number.NaN;
  const metrics = server.opsPort === undefined ? undefined : await readMetrics(server.opsPort);
  return {
    at: performance.now(),
    published,
    sent: metrics?.get("marketcast_messages_sent_total") ?? 0,
    conflated: metrics?.get("marketcast_conflated_total") ?? 0,
    laps: metrics?.get("marketcast_ring_lapped_total") ?? 0,
  };
}

function samplingFor(framesPerSecond: number): number {
  const wanted =
    framesPerSecond === 0 ? Number.POSITIVE_INFINITY : framesPerSecond / SAMPLES_PER_SECOND;
  return PRIMES.find((prime) => prime >= wanted) ?? 997;
}
