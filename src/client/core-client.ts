import { NO_CLOSE_CODE } from "../contract/close-codes.js";
import type {
  Channel,
  Market,
  OrderBook,
  OrderReference,
  OrderRequest,
  ServerData,
  ServerMessage,
} from "../contract/messages.js";
import type { Client, ClientStats } from "./client.js";
import { Emitter } from "./emitter.js";
import {
  ClientClosedError,
  DisconnectedError,
  ListenerError,
  type MarketcastError,
  RequestTimeoutError,
  ServerError,
} from "./errors.js";
import type { ClientEvents, EventName, Listener, Silence } from "./events.js";
import { Heartbeat } from "./heartbeat.js";
import type { Greeting } from "./link.js";
import { MarketState } from "./market-state.js";
import { MessageIterator } from "./message-iterator.js";
import type { Mirror } from "./mirror.js";
import type { ClientOptions, RequestOptions, ResolvedOptions, TokenSource } from "./options.js";
import { given } from "./plain-value.js";
import type { Platform } from "./platform.js";
import { randomOrderId } from "./random-order-id.js";
import { ReconnectingLink } from "./reconnecting-link.js";
import { OWN, type Replies, Requests } from "./requests.js";
import { resolveOptions } from "./resolve-options.js";
import { isSlowness, Resubscriber } from "./resubscriber.js";
import { SequenceTracker } from "./sequence-tracker.js";
import { SilenceMonitor } from "./silence-monitor.js";
import type { ClosedState, ConnectionState, OpenState } from "./state.js";
import { Subscriber } from "./subscriber.js";
import type { Subscriptions } from "./subscriptions.js";
import { TokenKeeper } from "./token-keeper.js";
import { TokenRenewal } from "./token-renewal.js";

/** Types of messages that mean nothing to the client as a whole, but to parts of it or to the program. */
type OfOthers =
  | ("Connected" | "Unsubscribed" | "Pong" | "SystemStatus" | "Notification" | "BookUpdate")
  | ("MarketSnapshot" | "MarketUpdate" | "PriceUpdate" | "OrderBook" | "TradeExecution")
  | ("OrderSnapshot" | "OrderUpdate" | "PositionSnapshot" | "PositionUpdate");

/** The client on any platform: ties the parts together and has the public methods. */
export class CoreClient implements Client {
  readonly #options: ResolvedOptions;
  readonly #emitter = new Emitter<ClientEvents>((thrown, event) =>
    this.#onListenerThrow(thrown, event),
  );
  readonly #requests: Requests;
  readonly #subscriber: Subscriber;
  /** What is subscribed, and is to be again after a reconnect. */
  readonly #wanted: Subscriptions;
  readonly #renewal: TokenRenewal;
  readonly #connection: ReconnectingLink;
  readonly #resubscriber: Resubscriber;
  readonly #heartbeat: Heartbeat;
  readonly #silence: SilenceMonitor;
  readonly #tracker: SequenceTracker;
  readonly #state: MarketState;
  readonly #iterators = new Set<MessageIterator>();
  #droppedByEnded = 0;
  #messages = 0;
  #reconnects = 0;
  #epoch: string | undefined;
  /** performance.now() of the end of the last open connection. */
  #lostAtMs: number | undefined;
  /** The refresh of this connection that ends last. */
  #refreshing: Promise<unknown> | undefined;

  constructor(options: ClientOptions, platform: Platform) {
    this.#options = resolveOptions(options);
    const { maxPendingRequests, requestTimeoutMs, tokenRefreshMarginMs, silenceTimeoutMs } =
      this.#options;
    this.#requests = new Requests(maxPendingRequests, requestTimeoutMs, {
      sent: (pending) => this.#subscriber.sent(pending),
      abandoned: (pending) => this.#subscriber.abandoned(pending),
    });
    this.#subscriber = new Subscriber(this.#requests, {
      reduced: () => {
        this.#tracker.unsubscribed();
        this.#state.unsubscribed();
      },
      missing: (channels) => void this.#refresh(channels),
      failed: (error) => this.#onOwnFailure(error),
    });
    this.#wanted = this.#subscriber.wanted;
    const tokens = new TokenKeeper(options.token, tokenRefreshMarginMs);
    this.#renewal = new TokenRenewal(this.#requests, tokens, (error) =>
      this.#report(error as MarketcastError),
    );
    this.#state = new MarketState(this.#wanted, {
      threw: (thrown) => this.#onListenerThrow(thrown),
      outOfStep: (channel) => void this.#refresh([channel]),
    });
    this.#tracker = new SequenceTracker(this.#wanted, (gap) => this.#emitter.emit("gap", gap));
    this.#resubscriber = new Resubscriber(this.#requests, this.#wanted, (channels, cause) =>
      this.#loseSubscriptions(channels, cause),
    );
    this.#heartbeat = new Heartbeat(
      this.#options,
      () => {
        const { answer, inFlight } = this.#requests.submit("Ping", { timestamp: 0 }, OWN);
        answer.catch(() => {});
        return inFlight;
      },
      () => this.#messages,
      () =>
        this.#connection.openLink?.fail(
          new DisconnectedError("no answer to a ping", NO_CLOSE_CODE),
        ),
    );
    this.#silence = new SilenceMonitor(
      silenceTimeoutMs,
      (channel) => this.#wanted.list(channel).length > 0,
      (silence) => this.#onSilence(silence),
    );
    this.#connection = new ReconnectingLink(this.#options, platform, tokens, {
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
    const dropped = [...this.#iterators].reduce((sum, iterator) => sum + iterator.dropped, 0);
    return {
      messages: this.#messages,
      reconnects: this.#reconnects,
      dropped: this.#droppedByEnded + dropped,
      rttMs: this.#requests.rttMs,
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

  async placeOrder(
    order: OrderRequest,
    options: RequestOptions = {},
  ): Promise<Replies["PlaceOrder"]> {
    const data = { order: { client_order_id: randomOrderId(), ...given(order) } };
    return this.#requests.ask("PlaceOrder", data, { ...options, whenLost: "resend" });
  }

  async cancelOrder(
    order: OrderReference,
    options: RequestOptions = {},
  ): Promise<Replies["CancelOrder"]> {
    return this.#requests.ask("CancelOrder", given(order), { ...options, whenLost: "resend" });
  }

  ping(options: RequestOptions = {}): Promise<number> {
    return this.#requests.ask("Ping", { timestamp: 0 }, { ...options, whenLost: "resend" });
  }

  authenticate(
    source: TokenSource,
    options: RequestOptions = {},
  ): Promise<Replies["Authenticate"]> {
    return this.#renewal.authenticate(source, options);
  }

  close(): Promise<void> {
    return this.#connection.close();
  }

  on<E extends EventName>(event: E, listener: Listener<E>): () => void {
    return this.#emitter.add(event, listener);
  }

  once<E extends EventName>(event: E, listener: Listener<E>): () => void {
    return this.#emitter.add(event, listener, true);
  }

  off<E extends EventName>(event: E, listener: Listener<E>): void {
    this.#emitter.off(event, listener);
  }

  [Symbol.asyncIterator](): AsyncIterableIterator<ServerMessage> {
    const iterator: MessageIterator = new MessageIterator(
      this.#options.iteratorBufferSize,
      (overflow) => this.#emitter.emit("overflow", overflow),
      () => this.#release(iterator),
    );
    if (this.state.status === "closed") iterator.finish(this.state.cause);
    else this.#iterators.add(iterator);
    return iterator;
  }

  #receive(message: ServerMessage): void {
    if (this.state.status === "closed") return;
    this.#messages++;
    const answered = message.id === undefined ? undefined : this.#requests.settle(message);
    this.#subscriber.take(message, answered);
    this.#follow(message, answered !== undefined);
    this.#tracker.take(message);
    this.#state.take(message);
    this.#silence.take(message.type);
    // The event's name and its value come from one message, which the compiler cannot follow.
    this.#emitter.emit(message.type as "Pong", message.data as ServerData["Pong"]);
    this.#emitter.emit("message", message);
    for (const iterator of this.#iterators) iterator.push(message);
  }

  /** What a message means to the client itself. */
  #follow(message: ServerMessage, awaited: boolean): void {
    switch (message.type) {
      case "Subscribed":
        this.#connection.strain();
        return this.#tracker.subscribed(message.data.channels);
      case "EpochChanged": {
        const { epoch } = message.data;
        this.#changeEpoch(epoch);
        if (this.state.status === "open") this.#connection.amend({ ...this.state, epoch });
        void this.#refresh([], this.#state.doubt());
        return;
      }
      case "Authenticated": {
        const { user_id: userId, wallet } = message.data;
        const { state } = this;
        if (state.status === "open" && (state.userId !== userId || state.wallet !== wallet))
          this.#connection.amend({ ...state, userId, wallet });
        // The program had given that token up.
        if (state.status === "open" && message.id !== undefined && !awaited)
          this.#renewal.restore();
        return;
      }
      case "Error":
        if (message.id === undefined) this.#onError(new ServerError(message.data));
        return;
      default:
        message satisfies ServerMessage<OfOthers>;
    }
  }

  /** An error that names no request. */
  #onError(error: ServerError): void {
    if (error.code === "RATE_LIMITED" && this.#requests.refuseUnread(error)) return;
    this.#report(error);
    // A token may have been renewed for less: the server does not say which channels it ended.
    if (error.code === "FORBIDDEN" || error.code === "AUTH_REQUIRED")
      void this.#refresh([...this.#wanted.list("Orders"), ...this.#wanted.list("Positions")]);
  }

  #onOpened({ connected }: Greeting, token: string | undefined): void {
    this.#renewal.opened(token, connected.server_time);
    const reconnected = this.#lostAtMs !== undefined;
    if (reconnected) this.#reconnects++;
    const link = this.#connection.openLink;
    this.#requests.connect((message) => link?.send(message) ?? 0);
    // Ahead of the requests that wait.
    const channels = this.#wanted.list();
    if (reconnected && channels.length > 0) void this.#resubscribe(channels);
    this.#requests.flush();
    this.#heartbeat.start();
    this.#silence.start();
    // Last, as its listeners may close the client.
    if (this.#epoch !== connected.epoch) this.#changeEpoch(connected.epoch);
  }

  #onLost(cause: MarketcastError, steady: boolean): void {
    if (this.#requests.connected) this.#lostAtMs = performance.now();
    this.#heartbeat.stop();
    this.#silence.stop();
    this.#renewal.lost();
    this.#tracker.disconnected();
    this.#subscriber.disconnected();
    this.#state.disconnected();
    this.#refreshing = undefined;
    const { state } = this;
    if (state.status === "closed") return this.#onClosed(state);
    const blamed = this.#requests.disconnect(cause, isSlowness(cause));
    this.#resubscriber.ended(cause, steady, blamed);
  }

  #onClosed({ code, reason, cause }: ClosedState): void {
    const message = `the client is closed${reason === "" ? "" : `: ${reason}`}`;
    const error = (sent: boolean): ClientClosedError =>
      new ClientClosedError(message, code, sent, cause === undefined ? undefined : { cause });
    this.#requests.close(error);
    for (const iterator of this.#iterators) {
      iterator.finish(cause === undefined ? undefined : error(false));
      this.#release(iterator);
    }
  }

  async #resubscribe(channels: readonly Channel[]): Promise<void> {
    const lostAtMs = this.#lostAtMs ?? performance.now();
    if (!(await this.#refresh(channels, this.#state.doubt()))) return;
    const downtimeMs = performance.now() - lostAtMs;
    this.#emitter.emit("resubscribed", { channels: this.subscriptions, downtimeMs });
  }

  /**
   * Has first data sent again, after any that are being sent, and tells whether it came that far.
   * Mirrors hold nothing then that is older than `doubt`.
   */
  async #refresh(channels: readonly Channel[], doubt?: number): Promise<boolean> {
    const before = this.#refreshing;
    const run = (): Promise<boolean> => this.#resubscriber.run(channels);
    const running = before === undefined ? run() : before.then(run);
    this.#refreshing = running.catch(() => {});
    try {
      const through = await running;
      if (through && doubt !== undefined) this.#state.settle(doubt);
      return through;
    } catch (error) {
      this.#onOwnFailure(error);
      return false;
    }
  }

  #onOwnFailure(error: unknown): void {
    if (error instanceof ServerError) this.#report(error);
    else if (error instanceof RequestTimeoutError)
      this.#connection.openLink?.fail(
        new DisconnectedError("no answer to a subscription made again", NO_CLOSE_CODE),
      );
  }

  #onSilence(silence: Silence): void {
    this.#emitter.emit("silent", silence);
    void this.#refresh(this.#wanted.list(silence.channel));
  }

  #loseSubscriptions(channels: readonly Channel[], cause: MarketcastError): void {
    this.#subscriber.drop(channels);
    this.#emitter.emit("subscriptionLost", { channels, cause });
  }

  #changeEpoch(epoch: string): void {
    const previous = this.#epoch;
    this.#epoch = epoch;
    this.#tracker.reset();
    if (previous !== undefined) this.#emitter.emit("epoch", { epoch, previous });
  }

  #release(iterator: MessageIterator): void {
    if (this.#iterators.delete(iterator)) this.#droppedByEnded += iterator.dropped;
  }

  #onListenerThrow(thrown: unknown, event?: EventName): void {
    const error = new ListenerError("a listener threw", { cause: thrown });
    // A listener of errors that throws would only be told of itself.
    if (event === "error") print(error);
    else this.#report(error);
  }

  #report(error: MarketcastError): void {
    if (!this.#emitter.emit("error", error)) print(error);
  }
}

function print(error: MarketcastError): void {
  // biome-ignore lint/suspicious/noConsole: an error that nobody listens for must not be lost
  console.error(error);
}
