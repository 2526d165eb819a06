import { NO_CLOSE_CODE } from "../contract/close-codes.js";
import type {
  Channel,
  Market,
  OrderBook,
  ServerData,
  ServerMessage,
} from "../contract/messages.js";
import type { Client, ClientStats } from "./client.js";
import { Companions } from "./companions.js";
import { Emitter } from "./emitter.js";
import {
  ClientClosedError,
  DisconnectedError,
  ListenerError,
  MarketcastError,
  RequestTimeoutError,
  ServerError,
} from "./errors.js";
import type { ClientEvents, EventName, Listener } from "./events.js";
import { Heartbeat } from "./heartbeat.js";
import type { History } from "./history.js";
import { historyOf } from "./history-of.js";
import { GREETING_ID, type Greeting } from "./link.js";
import { MarketState } from "./market-state.js";
import { MessageIterators } from "./message-iterators.js";
import type { Mirror } from "./mirror.js";
import { namedChannel } from "./named-channel.js";
import type { ClientOptions, RequestOptions, ResolvedOptions, TokenSource } from "./options.js";
import { OrderClient } from "./orders.js";
import type { PendingRequest } from "./pending-request.js";
import type { Platform } from "./platform.js";
import { printError } from "./print-error.js";
import { isSlowness } from "./reconnect-policy.js";
import { ReconnectingLink } from "./reconnecting-link.js";
import { OWN, type Replies, Requests } from "./requests.js";
import { resolveOptions } from "./resolve-options.js";
import type { Resubscriber } from "./resubscriber.js";
import { SequenceTracker } from "./sequence-tracker.js";
import { ServerClock } from "./server-clock.js";
import type { ClosedState, ConnectionState, OpenState } from "./state.js";
import { Subscriber } from "./subscriber.js";
import { isGranted, type Subscriptions, withoutPosition } from "./subscriptions.js";
import { TokenKeeper } from "./token-keeper.js";

/** Types of messages that mean nothing to the client as a whole, but to parts of it or to the program. */
type OfOthers =
  | ("Connected" | "Unsubscribed" | "SystemStatus" | "Notification" | "BookUpdate")
  | ("MarketSnapshot" | "MarketUpdate" | "PriceUpdate" | "OrderBook" | "TradeExecution")
  | ("OrderSnapshot" | "OrderUpdate" | "PositionSnapshot" | "PositionUpdate" | "CandleUpdate")
  | ("TradePage" | "CandlePage" | "CandleSnapshot" | "OrderPage" | "FillPage" | "Fill")
  | ("OrderValidated" | "OrderResults" | "OrdersCancelled" | "CancelAfterSet")
  | ("Published" | "Publication" | "PresenceUpdate");

/** The client on any platform: ties the parts together and has the public methods. */
export class CoreClient extends OrderClient implements Client {
  protected readonly options: ResolvedOptions;
  readonly #emitter = new Emitter<ClientEvents>((thrown, event) =>
    this.#onListenerThrow(thrown, event),
  );
  protected readonly requests: Requests;
  readonly #subscriber: Subscriber;
  /** What is subscribed, and is to be again after a reconnect. */
  readonly #wanted: Subscriptions;
  readonly #companions: Companions;
  readonly #connection: ReconnectingLink;
  readonly #heartbeat: Heartbeat;
  readonly #tracker: SequenceTracker;
  readonly #state: MarketState;
  readonly #iterators: MessageIterators;
  #messages = 0;
  #reconnects = 0;
  #epoch: string | undefined;
  protected readonly clock = new ServerClock();
  #lostAtMs: number | undefined;

  constructor(options: ClientOptions, platform: Platform) {
    super();
    this.options = resolveOptions(options);
    const { maxPendingRequests, requestTimeoutMs } = this.options;
    this.requests = new Requests(maxPendingRequests, requestTimeoutMs, {
      sent: (pending) => this.#subscriber.sent(pending),
      abandoned: (pending) => this.#subscriber.abandoned(pending),
    });
    this.#subscriber = new Subscriber(this.requests, {
      reduced: () => {
        this.#tracker.unsubscribed();
        this.#state.unsubscribed();
      },
      missing: (channels) => this.#refresh(channels),
      failed: (error) => this.#onOwnFailure(error),
    });
    this.#wanted = this.#subscriber.wanted;
    const tokens = new TokenKeeper(options.token);
    this.#tracker = new SequenceTracker(this.#wanted, (gap) => this.#emitter.emit("gap", gap));
    this.#iterators = new MessageIterators(this.options.iteratorBufferSize, (overflow) =>
      this.#emitter.emit("overflow", overflow),
    );
    this.#state = new MarketState(this.#wanted, {
      threw: (thrown) => this.#onListenerThrow(thrown),
      outOfStep: (channel) => this.#refresh([channel]),
      isStale: (market) => this.#tracker.isStale(market),
    });
    this.#companions = new Companions({
      options: this.options,
      requests: this.requests,
      tokens,
      wanted: this.#wanted,
      tracker: this.#tracker,
      state: this.#state,
      serverTimeMs: () => this.clock.at(performance.now()),
      report: (error) => this.#report(error as MarketcastError),
      lost: (channels, cause) => this.#loseSubscriptions(channels, cause),
      failed: (error) => this.#onOwnFailure(error),
      ask: (channel) => {
        this.subscribe([channel]).catch((error) => this.#onOwnFailure(error));
      },
      refresh: () => this.requests.connected && this.#refresh(this.#wanted.list()),
      tell: (event, staleness) => this.#emitter.emit(event, staleness),
    });
    this.#heartbeat = new Heartbeat(
      this.options,
      () => {
        const { answer, inFlight } = this.requests.submit("Ping", { timestamp: 0 }, OWN);
        answer.catch(() => {});
        return inFlight;
      },
      () => this.#messages,
      () =>
        this.#connection.openLink?.fail(
          new DisconnectedError("no answer to a ping", NO_CLOSE_CODE),
        ),
    );
    this.#connection = new ReconnectingLink(this.options, platform, tokens, {
      prepare: () => this.#companions.prepare(this.#epoch !== undefined),
      received: (message) => this.#receive(message),
      opened: (greeting, token) => this.#onOpened(greeting, token),
      lost: (cause, steady) => this.#onLost(cause, steady),
      changed: (state) => this.#emitter.emit("state", state),
    });
    this.#connection.connect();
  }

  get state(): ConnectionState {
    return this.#connection.state;
  }

  get subscriptions(): readonly Channel[] {
    return this.#wanted.list();
  }

  get markets(): Mirror<Market> {
    return this.#state.markets;
  }

  get books(): Mirror<OrderBook> {
    return this.#state.books;
  }

  get stats(): ClientStats {
    return {
      messages: this.#messages,
      reconnects: this.#reconnects,
      dropped: this.#iterators.dropped,
      rttMs: this.requests.rttMs,
      bookResyncs: this.#state.bookResyncs,
    };
  }

  async ready(options: RequestOptions = {}): Promise<OpenState> {
    for (;;) {
      await this.ping(options);
      if (this.state.status === "open") return this.state;
    }
  }

  subscribe(
    channels: readonly Channel[],
    options: RequestOptions = {},
  ): Promise<Replies["Subscribe"]> {
    return this.#subscriber.subscribe(channels, options);
  }

  unsubscribe(
    channels: readonly Channel[],
    options: RequestOptions = {},
  ): Promise<Replies["Unsubscribe"]> {
    return this.#subscriber.unsubscribe(channels, options);
  }

  ping(options: RequestOptions = {}): Promise<number> {
    return this.requests.ask("Ping", { timestamp: 0 }, { ...options, whenLost: "resend" });
  }

  async authenticate(
    source: TokenSource,
    options: RequestOptions = {},
  ): Promise<Replies["Authenticate"]> {
    return (await this.#companions.loadRenewal()).authenticate(source, options);
  }

  async presence(...asked: Parameters<Client["presence"]>): Promise<() => void> {
    return (await import("./presence-watch.js")).watchPresence(this, ...asked);
  }

  readonly channel = (name: string) => namedChannel(this, this.requests, name);

  get history(): History {
    return historyOf(this.requests);
  }

  close(): Promise<void> {
    return this.#connection.close();
  }

  on<E extends EventName>(event: E, listener: Listener<E>): () => void {
    this.#heed(event);
    return this.#emitter.add(event, listener);
  }

  once<E extends EventName>(event: E, listener: Listener<E>): () => void {
    this.#heed(event);
    return this.#emitter.add(event, listener, true);
  }

  off<E extends EventName>(event: E, listener: Listener<E>): void {
    this.#emitter.off(event, listener);
  }

  [Symbol.asyncIterator](): AsyncIterableIterator<ServerMessage> {
    return this.#iterators.begin(this.state.status === "closed" ? this.state : undefined);
  }

  #receive(message: ServerMessage): void {
    if (this.state.status === "closed") return;
    this.#messages++;
    const answered = message.id === undefined ? undefined : this.requests.settle(message);
    this.#subscriber.take(message, answered);
    this.#follow(message, answered);
    if (!this.#tracker.take(message)) return this.#state.repeat(message);
    this.#state.take(message);
    // The event's name and its value come from one message, which the compiler cannot follow.
    this.#emitter.emit(message.type as "Pong", message.data as ServerData["Pong"]);
    this.#emitter.emit("message", message);
    this.#iterators.push(message);
  }

  /** What a message means to the client itself. */
  #follow(message: ServerMessage, asked: PendingRequest | undefined): void {
    switch (message.type) {
      case "Subscribed":
        this.#connection.strain();
        if (asked?.own !== false) return this.#tracker.subscribed(message.data.channels);
        return this.#tracker.subscribed(
          message.data.channels,
          asked.channels,
          Math.floor(this.clock.at(asked.departedAtMs) * 1000),
        );
      case "Heartbeat":
        return this.#companions.staleWatch?.take(message.data);
      case "EpochChanged": {
        const { epoch } = message.data;
        this.#changeEpoch(epoch);
        if (this.state.status === "open") this.#connection.amend({ ...this.state, epoch });
        this.#refresh([], this.#state.doubt());
        return;
      }
      case "Authenticated": {
        const { user_id: userId, wallet, session } = message.data;
        const { state } = this;
        if (message.id === GREETING_ID) return;
        this.#connection.take(session);
        if (state.status === "open" && (state.userId !== userId || state.wallet !== wallet))
          this.#connection.amend({ ...state, userId, wallet });
        // The program had given that token up.
        if (state.status === "open" && message.id !== undefined && asked === undefined)
          this.#companions.renewal?.restore();
        return;
      }
      case "ServerShutdown":
        return this.#connection.moveOver();
      case "Pong":
        return this.clock.follow(message.data.server_time);
      case "Error":
        if (message.id === undefined) this.#onError(new ServerError(message.data));
        return;
      default:
        message satisfies ServerMessage<OfOthers>;
    }
  }

  /** An error that names no request. */
  #onError(error: ServerError): void {
    if (error.code === "RATE_LIMITED" && this.requests.refuseUnread(error)) return;
    this.#report(error);
    // A token may have been renewed for less: the server does not say which channels it ended.
    if (error.code === "FORBIDDEN" || error.code === "AUTH_REQUIRED")
      this.#refresh(this.#wanted.list().filter(isGranted));
  }

  #onOpened({ connected }: Greeting, token: string | undefined): void {
    this.#companions.renewal?.opened(token, connected.server_time);
    this.clock.begin(connected.server_time);
    const reconnected = this.#lostAtMs !== undefined;
    if (reconnected) this.#reconnects++;
    const link = this.#connection.openLink;
    this.requests.connect((message) => link?.send(message) ?? 0);
    // Ahead of the requests that wait.
    if (reconnected && this.#wanted.list().length > 0)
      void this.#resubscribe(this.#companions.resubscriber);
    this.requests.flush();
    this.#heartbeat.start();
    // Where it cannot be had now, it is asked for again when it is needed.
    this.#companions.loadResubscriber().catch(() => {});
    // Last, as its listeners may close the client.
    if (this.#epoch !== connected.epoch) this.#changeEpoch(connected.epoch);
  }

  #onLost(cause: MarketcastError, steady: boolean): void {
    if (this.requests.connected) this.#lostAtMs = performance.now();
    this.#heartbeat.stop();
    this.#companions.renewal?.lost();
    this.#tracker.disconnected();
    this.#subscriber.disconnected();
    this.#state.disconnected();
    const { state } = this;
    if (state.status === "closed") return this.#onClosed(state);
    const moving = state.status === "open";
    const blamed = this.requests.disconnect(cause, isSlowness(cause), moving);
    this.#companions.resubscriber?.ended(cause, steady, blamed);
  }

  #onClosed({ code, reason, cause }: ClosedState): void {
    const message = `the client is closed${reason === "" ? "" : `: ${reason}`}`;
    const error = (sent: boolean): ClientClosedError =>
      new ClientClosedError(message, code, sent, cause === undefined ? undefined : { cause });
    this.#companions.staleWatch?.stop();
    this.requests.close(error);
    this.#iterators.finish(cause === undefined ? undefined : error(false));
  }

  async #resubscribe(resubscriber: Resubscriber | undefined): Promise<void> {
    const lostAtMs = this.#lostAtMs ?? performance.now();
    if (!(await resubscriber?.refresh(this.#wanted.list(), this.#state.doubt()))) return;
    const downtimeMs = performance.now() - lostAtMs;
    this.#emitter.emit("resubscribed", { channels: this.subscriptions, downtimeMs });
  }

  /**
   * Has first data sent again, after any that are being sent. Mirrors hold nothing then that is older than
   * `doubt`.
   */
  #refresh(channels: readonly Channel[], doubt?: number): void {
    const refreshing = this.#companions.loadResubscriber();
    refreshing
      .then((resubscriber) => resubscriber.refresh(channels, doubt))
      .catch((error: unknown) => this.#onOwnFailure(error));
  }

  #onOwnFailure(error: unknown): void {
    if (error instanceof ServerError) this.#report(error);
    else if (error instanceof RequestTimeoutError || !(error instanceof MarketcastError))
      this.#connection.openLink?.fail(
        new DisconnectedError("could not subscribe again", NO_CLOSE_CODE, { cause: error }),
      );
  }

  /** What somebody listens for may have to be asked for. */
  #heed(event: EventName): void {
    if (event !== "stale" && event !== "fresh") return;
    this.#companions
      .loadStaleWatch()
      .then((watch) => this.state.status !== "closed" && watch.start())
      .catch((error: unknown) => this.#onOwnFailure(error));
  }

  #loseSubscriptions(asked: readonly Channel[], cause: MarketcastError): void {
    const channels = asked.map(withoutPosition);
    this.#subscriber.drop(channels);
    this.#emitter.emit("subscriptionLost", { channels, cause });
  }

  #changeEpoch(epoch: string): void {
    const previous = this.#epoch;
    this.#epoch = epoch;
    this.#tracker.reset(epoch);
    if (previous !== undefined) this.#emitter.emit("epoch", { epoch, previous });
  }

  #onListenerThrow(cause: unknown, event?: EventName): void {
    const error = new ListenerError("a listener threw", { cause });
    // A listener of errors that throws would only be told of itself.
    return event === "error" ? printError(error) : this.#report(error);
  }

  #report(error: MarketcastError): void {
    if (!this.#emitter.emit("error", error)) printError(error);
  }
}
