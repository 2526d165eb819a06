import { Packr } from "msgpackr";
import type { EncodingDescriptor } from "../../src/codec/encoding.js";
import { ENCODING_TABLE, encodingAt } from "../../src/codec/encodings.js";
import { FRAME, FrameWriter } from "../../src/codec/frame-writer.js";
import { ENCODINGS } from "../../src/contract/encodings.js";
import type { ServerMessage } from "../../src/contract/messages.js";
import {
  type CounterBlock,
  type CounterSection,
  counterBlockOf,
  createCounterBuffer,
} from "../../src/counters/counters.js";
import type { ListedMarket } from "../../src/feed/feed.js";
import { Publisher } from "../../src/market-data/publisher.js";
import {
  createMarketMemory,
  type MarketMemory,
  type MarketMemorySizes,
} from "../../src/ring/market-memory.js";
import { createBook, type MarketStatus } from "../../src/shared/market.js";
import type { MarketId } from "../../src/shared/market-id.js";
import type { HubRequest } from "../../src/workers/hub/messages.js";
import { Channels } from "../../src/workers/shard/channels/channels.js";
import { Compressor } from "../../src/workers/shard/connections/compressor.js";
import {
  Connection,
  type ConnectionContext,
} from "../../src/workers/shard/connections/connection.js";
import { Framings } from "../../src/workers/shard/connections/framing.js";
import { Outbox } from "../../src/workers/shard/connections/outbox.js";
import type { TradeArchiveSource } from "../../src/workers/shard/fan-out/archived-trades.js";
import type { CandleArchiveSource } from "../../src/workers/shard/fan-out/candle-beginnings.js";
import { FanOut } from "../../src/workers/shard/fan-out/fan-out.js";
import { FirstDataSender } from "../../src/workers/shard/fan-out/first-data-sender.js";
import { Mirror, type MirrorListener } from "../../src/workers/shard/fan-out/mirror.js";
import type { WindowBits } from "../../src/workers/shard/http/deflate-offer.js";
import { ShardPresence } from "../../src/workers/shard/presence/shard-presence.js";
import { Authenticator } from "../../src/workers/shard/requests/authenticator.js";
import { History } from "../../src/workers/shard/requests/history.js";
import { RequestHandler } from "../../src/workers/shard/requests/request-handler.js";
import { Trading } from "../../src/workers/shard/trading/trading.js";
import { ClientModel } from "./client-model.js";
import { addressShare, type FakeSocket, fakeSockets, openNodeSink } from "./fake-socket.js";
import { framedPayloads, messagesIn } from "./framed-payloads.js";
import { HeldMessages } from "./held-messages.js";
import { encodeClientMessage } from "./protobuf-json.js";
import { PublishedTruth } from "./published-truth.js";
import { parseServerMessage } from "./server-messages-schema.js";

const packr = new Packr({ useRecords: false, variableMapSize: true });
const PLAIN: WorldFraming = { batched: false, windowBits: undefined, shift: 0 };

/** Orders that may wait for an exchange. */
export const MAX_PENDING = 8;

const SIZES: MarketMemorySizes = {
  ringSize: 1 << 20,
  tradeRingSize: 1 << 20,
  maxMarkets: 64,
  maxTitleBytes: 64,
  bookDepth: 50,
};

export interface WorldOptions {
  /** The shard's encodings, those that there are by default. */
  readonly encodings?: readonly EncodingDescriptor[];
  readonly sizes?: Partial<MarketMemorySizes>;
  readonly maxQueuedMessages?: number;
  readonly maxQueuedBytes?: number;
  readonly maxMessagesPerSecond?: number;
  readonly maxOrdersPerSecond?: number;
  /** The feed is an exchange; the test connects `trading` with its end of it. */
  readonly takesOrders?: boolean;
  readonly maxDistinctFilters?: number;
  readonly maxCandleSeries?: number;
  /** What series of candles are begun from. */
  readonly archive?: CandleArchiveSource & TradeArchiveSource;
  readonly maxPending?: number;
  readonly maxPresenceKeys?: number;
  readonly maxReplayMessages?: number;
  /** Most bytes of a part of first data. */
  readonly partBytes?: number;
  /** The clock by which a turn's time for first data is spent; it stands still by default. */
  readonly now?: () => number;
  /** The clock of intervals, in ms; it stands still by default. */
  readonly clock?: () => number;
  /** Turns of first data run only when the test has them run. */
  readonly lazy?: boolean;
  /** How all clients take frames; one plain frame a message by default. */
  readonly framing?: WorldFraming;
  readonly batchDelayMs?: number;
}

/** With `shift`, the encodings of clients are those so many places behind the ones that are asked for. */
export interface WorldFraming {
  readonly batched: boolean;
  readonly windowBits: WindowBits | undefined;
  readonly shift: number;
}

/** A client of the world: its connection, its socket's other end, and the model that checks it. */
export interface Client {
  readonly connection: Connection;
  readonly socket: FakeSocket;
  readonly ws: ReturnType<typeof fakeSockets>["ws"];
  readonly model: ClientModel;
  readonly messages: ServerMessage[];
}

/**
 * A producer and a shard without their threads: a real publisher over real rings, and mirror,
 * fan-out and request handler with connections on fake sockets. Tests say when something is
 * published, when a round runs and what the sockets take. Each message that is written is checked
 * by its client's model at once.
 */
export class ShardWorld {
  readonly block: CounterBlock;
  readonly counters: CounterSection;
  readonly fanOut: FanOut;
  readonly framings: Framings;
  readonly outbox: Outbox;
  readonly intake: HeldMessages;
  readonly firstData: FirstDataSender;
  readonly trading: Trading;
  readonly channels: Channels;
  readonly presence: ShardPresence;
  readonly requests: RequestHandler;
  /** What the shard has told the hub. */
  readonly toHub: HubRequest[] = [];
  readonly clients: Client[] = [];
  memory: MarketMemory;
  publisher: Publisher;
  truth: PublishedTruth;
  epochs = 0;
  /** The clock, in microseconds. */
  nowMicros = 1_000_000;
  #restarting = false;
  /** The next turn of replays. */
  #replayTurn: (() => void) | undefined;
  /** The next turn of first data. */
  #turn: (() => void) | undefined;
  readonly #options: WorldOptions;
  readonly #context: ConnectionContext;
  readonly #tradesRead = new Map<MarketId, number>();
  /** From which ts on each epoch has everything. */
  readonly #firstTs = new Map<string, number>();
  readonly #truths = new Map<string, PublishedTruth>();
  /** Of each epoch, the last trade of each market that the shard never reads. */
  readonly #tradesBefore = new Map<string, ReadonlyMap<MarketId, number>>();
  /** Notes the trades that the mirror reads, and hands everything on. */
  readonly #listener: MirrorListener = {
    stateChanged: (market, before) => this.fanOut.stateChanged(market, before),
    sizedChanged: (market) => this.fanOut.sizedChanged(market),
    bookChanged: (market, top) => this.fanOut.bookChanged(market, top),
    traded: (market, trade) => {
      this.#tradesRead.set(market.marketId, trade.seq);
      this.fanOut.traded(market, trade);
    },
    tradesLost: () => {
      this.#noteTradesRead(this.truth);
      this.fanOut.tradesLost();
    },
  };

  constructor(options: WorldOptions = {}) {
    this.#options = options;
    const { maxQueuedMessages = 1e6, maxQueuedBytes = 1e9, maxDistinctFilters = 100 } = options;
    const { maxMessagesPerSecond = 1e9, maxOrdersPerSecond = 1e9, takesOrders = false } = options;
    this.block = counterBlockOf(createCounterBuffer(1));
    this.counters = this.block.shards[0] as CounterSection;
    const { encodings, maxCandleSeries, batchDelayMs, clock = () => 0 } = options;
    this.fanOut = new FanOut(this.counters, maxDistinctFilters, {
      ...(encodings !== undefined && { encodings }),
      ...(maxCandleSeries !== undefined && { maxCandleSeries }),
      ...(batchDelayMs !== undefined && { batchDelayMs }),
      archive: options.archive,
      now: clock,
      membership: {
        entered: (...who) => this.presence.counting.entered(...who),
        left: (...who) => this.presence.counting.left(...who),
      },
      replays: {
        now: options.now ?? (() => 0),
        defer: (run) => {
          this.#replayTurn = run;
        },
      },
    });
    const compressor = new Compressor(0, this.counters, { now: () => 0 });
    this.framings = new Framings(compressor, encodings);
    this.outbox = new Outbox(options.encodings);
    this.intake = new HeldMessages((connection, data, isBinary) => {
      if (connection.open) this.requests.handle(connection, data, isBinary, 0);
    });
    const { partBytes, now = () => 0 } = options;
    this.firstData = new FirstDataSender(
      this.fanOut,
      this.outbox,
      this.intake,
      this.counters,
      {
        systemStatus: () => {
          throw new Error("no system status here");
        },
        served: (connection) => this.fanOut.drained(connection),
        failed: (_connection, error) => {
          throw error;
        },
      },
      {
        ...(partBytes !== undefined && { sizes: { part: partBytes, snapshot: partBytes } }),
        now,
        defer: (run) => {
          this.#turn = run;
        },
      },
    );
    const hold = {
      hold: (held: Connection) => this.intake.hold(held),
      release: (held: Connection) => this.intake.release(held),
    };
    this.channels = new Channels({
      options: { maxPublishesPerSecond: 1000, maxReplayMessages: 100_000 },
      outbox: this.outbox,
      counters: this.counters,
      hold,
      hub: { connected: false, send: () => {} },
      members: {
        entered: (...who) => this.presence.counting.enteredChannel(...who),
        left: (...who) => this.presence.counting.leftChannel(...who),
      },
    });
    this.trading = new Trading(this.outbox, this.counters, {
      maxPendingOrders: options.maxPending ?? MAX_PENDING,
      handshakeTimeoutMs: 10_000,
      takesOrders,
    });
    this.presence = new ShardPresence(
      {
        fanOut: this.fanOut,
        outbox: this.outbox,
        counters: this.counters,
        connections: () => new Set(this.clients.map(({ connection }) => connection)),
        inChannel: (channel) => this.channels.inChannel(channel),
        restarting: () => this.firstData.restarting,
        send: (request) => this.toHub.push(request),
      },
      options.maxPresenceKeys ?? 100,
    );
    const jwt = {
      key: { secret: "s" },
      algorithms: ["HS256"] as const,
      issuer: undefined,
      audience: undefined,
    };
    this.requests = new RequestHandler(
      {
        maxSubscriptions: 1e6,
        maxFilters: 100,
        maxMessageValues: 8192,
        maxReplayMessages: options.maxReplayMessages ?? 100_000,
      },
      this.fanOut,
      this.outbox,
      this.firstData,
      this.trading,
      this.channels,
      new Authenticator(jwt, 8192),
      this.counters,
      {
        subscribed: () => {},
        identified: () => {},
        hold: (held) => this.intake.hold(held),
        release: (held) => this.intake.release(held),
      },
      new History({ reader: undefined, noteFault: () => {} }, this.counters),
      this.presence,
    );
    this.#context = {
      counters: this.counters,
      maxQueuedMessages,
      maxQueuedBytes,
      maxMessagesPerSecond,
      maxBytesPerSecond: 1e12,
      maxOrdersPerSecond,
      openSink: openNodeSink,
      closing: (connection) => this.firstData.forget(connection),
      drained: (connection) => {
        if (!this.firstData.drained(connection)) this.fanOut.drained(connection);
      },
    };
    const { memory, publisher, truth } = this.#newProducer();
    this.memory = memory;
    this.publisher = publisher;
    this.truth = truth;
    this.#startMirror(truth);
  }

  // --- The producer -------------------------------------------------------------------------------

  list(marketId: MarketId, title = `Market ${marketId}`): ListedMarket {
    const market = this.publisher.list({ marketId, title, tickSize: 0.01, lotSize: 1 });
    this.#noteTable();
    return market;
  }

  market(marketId: MarketId): ListedMarket {
    return this.publisher.find(marketId) as ListedMarket;
  }

  setStatus(marketId: MarketId, status: MarketStatus): void {
    this.publisher.setStatus(this.market(marketId), status);
    this.#noteTable();
  }

  /** Publishes a quote around `middle` ticks. */
  quote(marketId: MarketId, middle: number): void {
    this.publisher.quote(this.market(marketId), middle - 1, middle + 1);
    this.#noteTable();
  }

  trade(marketId: MarketId, price: number, quantity = 1): void {
    this.publisher.trade(this.market(marketId), { price, quantity, takerSide: "Buy" });
  }

  /** Publishes a book with one level a side. */
  book(marketId: MarketId, middle: number): void {
    const book = createBook();
    book.bids.length = book.asks.length = 1;
    book.bids.price[0] = middle - 1;
    book.asks.price[0] = middle + 1;
    book.bids.quantity[0] = book.asks.quantity[0] = 10;
    this.publisher.book(this.market(marketId), book);
    this.#noteTable();
  }

  #noteTable(): void {
    // While another producer starts, the truth is still that of the one before.
    if (!this.#restarting) this.truth.readTable();
  }

  /** Makes what was published visible. */
  flush(): void {
    this.publisher.flush();
    this.truth.read();
  }

  /** The producer starts anew, with nothing listed, and tells the shard when `ready` has run. */
  restartProducer(ready: () => void = () => {}): void {
    this.flush();
    for (const { model } of this.clients) {
      model.interval++;
      // What the shard has not read yet it tells at once.
      model.conflated = true;
    }
    const { memory, publisher, truth } = this.#newProducer();
    this.memory = memory;
    this.publisher = publisher;
    this.#restarting = true;
    ready();
    this.#restarting = false;
    publisher.flush();
    truth.read();
    this.#changeEpoch(truth);
  }

  /** Goes on with memory that somebody else writes, in an epoch of its own: {@link publisher} has no part in it. */
  follow(memory: MarketMemory): void {
    this.flush();
    this.memory = memory;
    const truth = new PublishedTruth(memory);
    truth.read();
    this.#changeEpoch(truth);
  }

  #changeEpoch(truth: PublishedTruth): void {
    this.#startMirror(truth, "start");
    const changed = { type: "EpochChanged", data: { epoch: this.memory.epoch } } as const;
    this.firstData.restart(
      this.clients.map(({ connection }) => connection),
      changed,
    );
    if (this.#options.lazy !== true) this.serve();
    else this.#noteFirstData();
  }

  #newProducer() {
    const firstTs = this.epochs === 0 ? 0 : this.nowMicros + 1;
    const memory = createMarketMemory(`epoch-${++this.epochs}`, {
      ...SIZES,
      ...this.#options.sizes,
    });
    const publisher = new Publisher(memory, this.block.producer, {
      bookIntervalMs: 0,
      now: () => ++this.nowMicros,
      firstTs: () => firstTs,
      defer: () => {},
      setTimer: () => {},
      reject: () => {},
    });
    this.#firstTs.set(memory.epoch, firstTs);
    return { memory, publisher, truth: new PublishedTruth(memory) };
  }

  #startMirror(truth: PublishedTruth, trades: "tail" | "start" = "tail"): void {
    const { counters, fanOut, memory } = this;
    const { round } = fanOut;
    fanOut.setMirror(new Mirror(memory, counters, this.#listener, round, trades));
    this.truth = truth;
    if (trades === "tail") this.#noteTradesRead(truth);
    else this.#tradesRead.clear();
    this.#truths.set(this.memory.epoch, truth);
    this.#tradesBefore.set(this.memory.epoch, new Map(this.#tradesRead));
  }

  /** The mirror stands at the trade ring's tail. */
  #noteTradesRead(truth: PublishedTruth): void {
    this.#tradesRead.clear();
    for (const [id, { trades }] of truth.markets) this.#tradesRead.set(id, trades.length);
  }

  // --- The shard ----------------------------------------------------------------------------------

  /** One round, as the round loop runs it, over at most `records` records. */
  round({ records = Number.POSITIVE_INFINITY, conflating = false, tell = false } = {}): void {
    const { fanOut } = this;
    fanOut.beginRound(conflating);
    if (tell) for (const { model } of this.clients) model.interval++;
    for (const { model, connection } of this.clients) {
      if (conflating || connection.loading) model.conflated = true;
    }
    if (fanOut.mirror.poll(fanOut.round, records, Number.POSITIVE_INFINITY)) {
      for (const { model } of this.clients) model.conflated = true;
      fanOut.conflate();
      fanOut.mirror.repair(fanOut.round);
    }
    fanOut.endRound(tell);
  }

  /** Turns of first data, until nobody who waits could be served, or so many. */
  serve(turns = Number.POSITIVE_INFINITY): void {
    for (let turn = 0; turn < turns && this.hasTurn; turn++) {
      const run = this.#turn;
      this.#turn = undefined;
      for (const { model } of this.clients) model.interval++;
      run?.();
      this.#replay();
    }
    this.#noteFirstData();
  }

  /** Whether there is something to {@link serve}. */
  get hasTurn(): boolean {
    return this.#turn !== undefined || this.#replayTurn !== undefined;
  }

  /** A turn of replays, if there is one. */
  #replay(): void {
    const run = this.#replayTurn;
    this.#replayTurn = undefined;
    run?.();
  }

  /**
   * Models of clients that wait for nothing check that nothing is missing. Of one that is behind, a
   * price without a quote when its first data were sent may have had its first since.
   */
  #noteFirstData(): void {
    for (const { connection, model } of this.clients) {
      if (connection.open && !connection.loading && !connection.behind) model.firstDataDone();
    }
  }

  /** Rounds until everything is read and written, with all sockets drained and `Markets` told. */
  settle(): void {
    this.flush();
    do {
      for (const { socket } of this.clients) socket.drain();
      this.serve();
      this.round();
      this.fanOut.flushHeld();
    } while (
      this.fanOut.mirror.pending ||
      this.hasTurn ||
      this.clients.some(({ connection }) => connection.open && connection.waiting)
    );
    this.round({ tell: true });
  }

  connect(
    encodingAsked: number,
    { cancelAfterMs, address = "127.0.0.1" }: { cancelAfterMs?: number; address?: string } = {},
  ): Client {
    const { socket, ws, asSocket, asWebSocket } = fakeSockets();
    const number = this.clients.length + 1;
    const { batched, windowBits, shift } = this.#options.framing ?? PLAIN;
    const encoding = encodingAsked + shift;
    const connection = new Connection(
      number,
      addressShare(address),
      asWebSocket,
      asSocket,
      encoding,
      this.#context,
      0,
      cancelAfterMs,
      this.framings.of(batched, windowBits),
    );
    const { mirror } = this.fanOut;
    const model = new ClientModel((epoch) => ({
      truth: this.#truths.get(epoch) as PublishedTruth,
      mirrored: () => this.fanOut.mirror.markets,
      lastTrade: (id) => this.#tradesRead.get(id) ?? 0,
      firstTs: this.#firstTs.get(epoch) ?? 0,
      tradesBefore: (id) => this.#tradesBefore.get(epoch)?.get(id) ?? 0,
    }));
    model.epoch = mirror.epoch;
    const client: Client = { connection, socket, ws, model, messages: [] };
    socket.onData = (bytes) => {
      if (ws.readyState !== 1) throw new Error("written behind the close frame");
      for (const message of messagesOf(bytes, encoding, this.outbox.encodings, batched)) {
        client.messages.push(message);
        model.take(message);
      }
    };
    this.clients.push(client);
    return client;
  }

  /** Takes a client off, as when its socket closes. */
  disconnect(client: Client): void {
    client.ws.readyState = 3;
    this.firstData.forget(client.connection);
    client.connection.ended();
    this.fanOut.leave(client.connection);
    this.trading.forget(client.connection);
  }

  request({ connection, model }: Client, message: unknown): void {
    // A change of subscriptions may say at once what the next tick would have.
    model.interval++;
    const encoding = encodingAt(this.outbox.encodings, connection.encoding);
    this.intake.take(connection, payloadOf(message, encoding), encoding.frames === "binary");
    if (this.#options.lazy !== true) this.serve();
    else this.#noteFirstData();
  }

  subscribe(client: Client, ...channels: readonly unknown[]): void {
    this.request(client, { type: "Subscribe", data: { channels } });
  }

  unsubscribe(client: Client, ...channels: readonly unknown[]): void {
    this.request(client, { type: "Unsubscribe", data: { channels } });
  }
}

/** The messages in bytes that a server wrote, each checked against the contract's schemas. */
export function messagesOf(
  bytes: Buffer,
  index: number,
  encodings: readonly EncodingDescriptor[] = ENCODING_TABLE,
  batched = false,
): ServerMessage[] {
  const encoding = encodingAt(encodings, index);
  return framedPayloads(bytes).flatMap(({ head, payload }) => {
    if (head !== FRAME[encoding.frames]) throw new Error(`a frame of the wrong kind: ${head}`);
    return decoded(payload, encoding, batched).map(parseServerMessage);
  });
}

/** What a client's own decoder makes of a payload; of an encoding that is the test's, the encoding's. */
function decoded(
  payload: Buffer,
  { name, decoder }: EncodingDescriptor,
  batched: boolean,
): unknown[] {
  const known = ENCODINGS.find((encoding) => encoding === name);
  return known === undefined ? [decoder.decode(payload)] : messagesIn(payload, known, batched);
}

function payloadOf(message: unknown, { name, encoder }: EncodingDescriptor): Buffer {
  if (name === "json") return Buffer.from(JSON.stringify(message));
  if (name === "msgpack") return packr.pack(message);
  if (name === "protobuf") return encodeClientMessage(message);
  const out = new FrameWriter();
  encoder.message(out, message as ServerMessage);
  return out.copy();
}
