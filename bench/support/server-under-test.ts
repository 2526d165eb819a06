import { type ChildProcess, fork } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import { ENCODING_FRAMES, type Encoding, subprotocolOf } from "../../src/contract/encodings.js";
import type { BaselineReply, BaselineRequest } from "../baselines/baseline-messages.js";
import { loadUws } from "../baselines/uws-binary.js";
import { endChild, nextMessage } from "./child.js";
import { FIRST_MARKET_ID, FIRST_SILENT_MARKET_ID } from "./due-time-feed.js";
import { encodeRequest } from "./encode-request.js";

const READY_TIMEOUT_MS = 20_000;
const MARKETCAST = fileURLToPath(new URL("../../../dist/cli/marketcast.js", import.meta.url));
const DUE_TIME_FEED = fileURLToPath(new URL("./due-time-feed.js", import.meta.url));
/** Connections that differ from each other before they begin again. */
const VARIANTS = 500;

/** Messages offered to a server's connections. */
export interface Offer {
  /** Messages a second; 0, for a baseline only, is as many as it can. */
  readonly rate: number;
  /** Markets the messages are about (Marketcast). */
  readonly markets: number;
  /** Messages published in one turn of the event loop at most (baselines). */
  readonly batchMax: number;
  /** Size of a message's JSON (baselines). */
  readonly messageBytes: number;
  /** Threads that serve connections (Marketcast); 1 where it is missing. */
  readonly shards?: number;
  /** JSON where it is missing (Marketcast). */
  readonly encoding?: Encoding;
  /** Connections that have the same subscriptions (Marketcast); all, where it is missing. */
  readonly audience?: number;
  /** Markets that each connection subscribes to, at random; all, where it is missing. */
  readonly marketsEach?: number;
  /** How frames come, where that is not one plain frame a message (Marketcast). */
  readonly framing?: {
    readonly batched?: boolean;
    readonly compression?: boolean;
    readonly delayMs?: number;
  };
}

/** What messages about how many of the offer's markets a connection is sent, as a share of all. */
export function wantedShare({ markets, marketsEach = markets }: Offer): number {
  return marketsEach / markets;
}

/** A running server process, in the same terms for all of them. */
export interface ServerUnderTest {
  readonly pid: number;
  readonly port: number;
  readonly path: string;
  readonly subprotocol?: string;
  /** What clients send to receive messages, one each and again from the first. */
  readonly subscribe?: readonly string[];
  /** It is binary, and in base64 here. */
  readonly binary?: boolean;
  readonly batched?: boolean;
  readonly compression?: boolean;
  /** Port of the operations endpoints. */
  readonly opsPort?: number;
  /** Starts the publishing, where that did not begin with the server. */
  startPublishing(): void;
  /** Messages published since the start; undefined where the server does not tell. */
  published(): Promise<number | undefined>;
  stop(): Promise<void>;
}

export const SERVER_NAMES = ["marketcast", "uWebSockets.js", "ws"] as const;
export type ServerName = (typeof SERVER_NAMES)[number];

/** Those of the servers that run on this platform. */
export function availableServers(): ServerName[] {
  return SERVER_NAMES.filter((name) => name !== "uWebSockets.js" || loadUws() !== undefined);
}

/** Starts a server that will publish what is offered. */
export function startServer(name: ServerName, offer: Offer): Promise<ServerUnderTest> {
  if (name === "marketcast") return startMarketcast(offer);
  return startBaseline(name === "ws" ? "ws-server.js" : "uws-server.js", offer);
}

async function startBaseline(file: string, offer: Offer): Promise<ServerUnderTest> {
  const entry = fileURLToPath(new URL(`../baselines/${file}`, import.meta.url));
  const child = fork(entry);
  const ask = (request: BaselineRequest): boolean => child.send(request);
  const reply = await nextMessage<BaselineReply>(child);
  if (reply.kind !== "listening") throw new Error(`${file} did not listen`);
  return {
    pid: child.pid as number,
    port: reply.port,
    path: "/",
    // A baseline sends every market to whoever asks for none.
    ...(offer.marketsEach !== undefined && {
      subscribe: pickedMarkets(offer).map((topics) => JSON.stringify({ topics })),
    }),
    startPublishing: () => {
      const { rate, batchMax, messageBytes } = offer;
      ask({ kind: "start", rate, batchMax, messageBytes });
    },
    published: async () => {
      ask({ kind: "published" });
      const answer = await nextMessage<BaselineReply>(child);
      return answer.kind === "published" ? answer.published : undefined;
    },
    stop: () => endChild(child),
  };
}

async function startMarketcast(offer: Offer): Promise<ServerUnderTest> {
  const { rate, markets, shards = 1, encoding = "json", framing = {} } = offer;
  const { batched = false, compression = false, delayMs = 0 } = framing;
  const flags = { compression: compression ? "on" : "off", "batch-delay": delayMs };
  const feed = { feed: "module", "feed-module": DUE_TIME_FEED, "feed-markets": markets };
  const started = await startMarketcastWith(
    { ...feed, ...flags, "feed-rate": rate, shards },
    idsOf(markets),
  );
  const path = batched ? `${started.path}?batch=true` : started.path;
  const server = { ...started, path, batched, compression };
  const messages = subscriptionsOf(offer).map((channels) => ({
    type: "Subscribe",
    data: { channels },
  }));
  if (ENCODING_FRAMES[encoding] === "text")
    return { ...server, subscribe: messages.map((message) => JSON.stringify(message)) };
  const subscribe = messages.map((message) => encodeRequest(encoding, message).toString("base64"));
  return { ...server, subprotocol: subprotocolOf(encoding), subscribe, binary: true };
}

/** Channels of the connections, one after the other. */
function subscriptionsOf(offer: Offer): readonly unknown[][] {
  const prices = (market_ids: readonly number[]) => ({ type: "PriceFeed", params: { market_ids } });
  if (offer.marketsEach !== undefined) return pickedMarkets(offer).map((ids) => [prices(ids)]);
  const all = prices(idsOf(offer.markets));
  if (offer.audience === undefined) return [[all]];
  // A market that says nothing sets audiences apart, whose messages are the same.
  return Array.from({ length: VARIANTS / offer.audience }, (_, index) => [
    all,
    prices([FIRST_SILENT_MARKET_ID + index]),
  ]);
}

/** Random markets of each connection, the same in every run and for every server. */
function pickedMarkets({ markets, marketsEach = markets }: Offer): number[][] {
  let state = 1;
  const random = (below: number): number => {
    // A linear congruential generator modulo a prime (Park and Miller's).
    state = (state * 48_271) % 2_147_483_647;
    return state % below;
  };
  return Array.from({ length: VARIANTS }, () => {
    const picked = new Set<number>();
    while (picked.size < marketsEach) picked.add(FIRST_MARKET_ID + random(markets));
    return [...picked];
  });
}

/** Starts Marketcast with the synthetic feed, whose trades, books and states come beside the prices. */
export function startSynthetic(rate: number, markets: number): Promise<ServerUnderTest> {
  const flags = { feed: "synthetic", "feed-markets": markets, "feed-rate": rate };
  return startMarketcastWith(flags, idsOf(markets));
}

function idsOf(markets: number): number[] {
  return Array.from({ length: markets }, (_, index) => FIRST_MARKET_ID + index);
}

/** Starts Marketcast with flags of one's own; its clients subscribe to the prices of `marketIds`. */
export async function startMarketcastWith(
  ownFlags: Readonly<Record<string, string | number>>,
  marketIds: readonly number[],
): Promise<ServerUnderTest> {
  const dataDir = mkdtempSync(join(tmpdir(), "marketcast-bench-"));
  const flags = {
    port: 0,
    "ops-port": 0,
    shards: 1,
    "max-connections": 20_000,
    // All of the load comes from one address.
    "max-connections-per-address": 20_000,
    "max-messages-per-second-per-address": 100_000_000,
    "max-bytes-per-second-per-address": 68_719_476_736,
    "drain-time": 500,
    "log-format": "json",
    "data-dir": dataDir,
    ...ownFlags,
  };
  const args = [
    "serve",
    ...Object.entries(flags).flatMap(([name, value]) => [`--${name}`, String(value)]),
  ];
  const child = fork(MARKETCAST, args, {
    stdio: ["ignore", "pipe", "inherit", "ipc"],
  });
  const removeData = (): void => rmSync(dataDir, { recursive: true, force: true });
  const ready = await readyLine(child).catch((error: unknown) => {
    removeData();
    throw error;
  });
  const channels = [{ type: "PriceFeed", params: { market_ids: marketIds } }];
  return {
    pid: child.pid as number,
    port: ready.port,
    opsPort: ready.ops_port,
    path: "/ws/v3",
    subprotocol: "marketcast.json",
    subscribe: [JSON.stringify({ type: "Subscribe", data: { channels } })],
    startPublishing: () => undefined,
    published: async () => undefined,
    stop: async () => {
      await endChild(child);
      removeData();
    },
  };
}

interface ReadyLine {
  readonly msg: string;
  readonly port: number;
  readonly ops_port: number;
}

/** Reads the log up to the line that says that the server is ready, and lets the rest pass. */
function readyLine(child: ChildProcess): Promise<ReadyLine> {
  return new Promise((resolve, reject) => {
    const fail = (why: string): void => {
      child.kill("SIGKILL");
      reject(new Error(`marketcast ${why}`));
    };
    const timer = setTimeout(() => fail("was not ready in time"), READY_TIMEOUT_MS);
    child.once("exit", () => fail("ended before it was ready"));
    const lines = createInterface({ input: child.stdout as NodeJS.ReadableStream });
    lines.on("line", (text) => {
      const line = JSON.parse(text) as ReadyLine & { level: number | string };
      if (line.msg !== "ready") return;
      clearTimeout(timer);
      child.removeAllListeners("exit");
      resolve(line);
    });
  });
}
