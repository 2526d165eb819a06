import type {
  Channel,
  Market,
  OrderBook,
  OrderReference,
  OrderRequest,
  ServerData,
  ServerMessage,
} from "../codec/wire/messages.js";
import { canonicalChannel } from "./canonical-channel.js";
import type { Client, ClientStats } from "./client.js";
import { Emitter } from "./emitter.js";
import {
  ClientClosedError,
  DisconnectedError,
  ListenerError,
  type MarketcastError,
  ServerError,
} from "./errors.js";
import type { ClientEvents, EventName, Listener, Silence } from "./events.js";
import { Heartbeat } from "./heartbeat.js";
import { type Greeting, NO_CLOSE_CODE } from "./link.js";
import { MarketState } from "./market-state.js";
import { MessageIterator } from "./message-iterator.js";
import type { Mirror } from "./mirror.js";
import type { ClientOptions, RequestOptions, ResolvedOptions, TokenSource } from "./options.js";
import type { PendingRequest } from "./pending-request.js";
import type { Platform } from "./platform.js";
import { OWN, type Replies, Requests } from "./requests.js";
import { resolveOptions } from "./resolve-options.js";
import { Resubscriber } from "./resubscriber.js";
import { SequenceTracker } from "./sequence-tracker.js";
import { Session } from "./session.js";
import { SilenceMonitor } from "./silence-monitor.js";
import type { ClosedState, ConnectionState, OpenState } from "./state.js";
import { Subscriptions } from "./subscriptions.js";
import { getToken, TokenKeeper } from "./token-keeper.js";

/** The client on any platform: ties the parts together and has the public methods. */
export class CoreClient implements Client {
  readonly #options: ResolvedOptions;
  readonly #emitter = new Emitter<ClientEvents>((thrown, event) =>
    this.#onListenerThrow(thrown, event),
  );
  readonly #subscriptions = new Subscriptions();
  readonly #requests: Requests;
  readonly #tokens: TokenKeeper;
  readonly #session: Session;
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
  #serverAheadMs = 0;

  constructor(options: ClientOptions, platform: Platform) {
    this.#options = resolveOptions(options);
    const { maxPendingRequests, requestTimeoutMs, tokenRefreshMarginMs, silenceTimeoutMs } =
      this.#options;
    this.#requests = new Requests(maxPendingRequests, requestTimeoutMs);
    this.#tokens = new TokenKeeper(options.token, tokenRefreshMarginMs);
    this.#state = new MarketState(this.#subscriptions, (thrown) => this.#onListenerThrow(thrown));
    this.#tracker = new SequenceTracker(this.#subscriptions, (gap) =>
      this.#emitter.emit("gap", gap),
    );
    this.#resubscriber = new Resubscriber(this.#requests, this.#subscriptions, (channels, cause) =>
      this.#loseSubscriptions(channels, cause),
    );
    this.#heartbeat = new Heartbeat(
      this.#options,
      () => this.#requests.ask("Ping", { timestamp: 0 }, OWN).catch(() => {}),
      () => this.#messages,
      () => this.#failLink("no answer to a ping"),
    );
    this.#silence = new SilenceMonitor(
      silenceTimeoutMs,
      (channel) => this.#subscriptions.list(channel).length > 0,
      (silence) => this.#onSilence(silence),
    );
    this.#session = new Session(this.#options, platform, this.#tokens, {
      received: (message) => this.#receive(message),
      opened: (greeting, token) => this.#onOpened(greeting, token),
      lost: (cause) => this.#onLost(cause),
      changed: (state) => this.#emitter.emit("state", state),
    });
    this.#session.connect();
  }

  get state(): ConnectionState {
    return this.#session.state;
  }

  get subscriptions(): readonly Channel[] {
    return this.#subscriptions.list();
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
    const data = { channels: channels.map(canonicalChannel) };
    return this.#requests.ask("Subscribe", data, { ...options, whenLost: "resend" });
  }

  async unsubscribe(
    channels: readonly Channel[],
    options: RequestOptions = {},
  ): Promise<Replies["Unsubscribe"]> {
    const data = { channels: channels.map(canonicalChannel) };
    const ended = this.#subscriptions.of(data.channels);
    this.#unsubscribed(data.channels);
    // Subscriptions end with their connection; only one that waits to be asked for would outlive it.
    const { connected } = this.#requests;
    if (!connected && !this.#requests.waits("Subscribe") && this.state.status !== "closed")
      return data;
    try {
      return await this.#requests.ask("Unsubscribe", data, { ...options, whenLost: "done" });
    } catch (error) {
      // What the server did not end goes on, and has to after a reconnect.
      if (error instanceof ServerError) this.#subscriptions.add(ended);
      throw error;
    }
  }

  placeOrder(order: OrderRequest, options: RequestOptions = {}): Promise<Replies["PlaceOrder"]> {
    const data = { order: { client_order_id: randomOrderId(), ...order } };
    return this.#requests.ask("PlaceOrder", data, { ...options, whenLost: "resend" });
  }

  cancelOrder(data: OrderReference, options: RequestOptions = {}): Promise<Replies["CancelOrder"]> {
    return this.#requests.ask("CancelOrder", data, { ...options, whenLost: "resend" });
  }

  ping(options: RequestOptions = {}): Promise<number> {
    return this.#requests.ask("Ping", { timestamp: 0 }, { ...options, whenLost: "resend" });
  }

  async authenticate(
    source: TokenSource,
    options: RequestOptions = {},
  ): Promise<Replies["Authenticate"]> {
    const token = await getToken(source);
    const asking = { ...options, whenLost: "resend" } as const;
    const identity = await this.#requests.ask("Authenticate", { token }, asking);
    this.#tokens.source = source;
    this.#watchToken(token);
    return identity;
  }

  close(): Promise<void> {
    return this.#session.close();
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
    this.#follow(message, answered);
    this.#tracker.take(message);
    this.#state.take(message);
    this.#silence.take(message.type);
    // The event's name and its value come from one message, which the compiler cannot follow.
    this.#emitter.emit(message.type as "Pong", message.data as ServerData["Pong"]);
    this.#emitter.emit("message", message);
    for (const iterator of this.#iterators) iterator.push(message);
  }

  /** What a message means to the client itself. */
  #follow(message: ServerMessage, answered: PendingRequest | undefined): void {
    switch (message.type) {
      case "Subscribed": {
        const { channels } = message.data;
        if (answered?.abandoned) return this.#undo(channels);
        this.#subscriptions.add(channels);
        return this.#tracker.subscribed(channels);
      }
      case "Unsubscribed":
        return this.#unsubscribed(message.data.channels);
      case "EpochChanged": {
        const { epoch } = message.data;
        this.#changeEpoch(epoch);
        if (this.state.status === "open") this.#session.amend({ ...this.state, epoch });
        this.#state.doubt();
        void this.#refresh([]);
        return;
      }
      case "Authenticated": {
        const { user_id: userId, wallet } = message.data;
        const { state } = this;
        if (state.status === "open" && (state.userId !== userId || state.wallet !== wallet))
          this.#session.amend({ ...state, userId, wallet });
        return;
      }
      case "Error":
        if (message.id === undefined) this.#report(new ServerError(message.data));
    }
  }

  #onOpened({ connected }: Greeting, token: string | undefined): void {
    this.#serverAheadMs = connected.server_time - Date.now();
    if (token !== undefined) this.#watchToken(token);
    const reconnected = this.#lostAtMs !== undefined;
    if (reconnected) this.#reconnects++;
    const link = this.#session.openLink;
    this.#requests.connect((message) => link?.send(message));
    // Ahead of the requests that wait, which may end some of it.
    const channels = this.#subscriptions.list();
    if (reconnected && channels.length > 0) void this.#resubscribe(channels);
    this.#requests.flush();
    this.#heartbeat.start();
    this.#silence.start();
    // Last, as its listeners may close the client.
    if (this.#epoch !== connected.epoch) this.#changeEpoch(connected.epoch);
  }

  #onLost(cause: MarketcastError): void {
    if (this.#requests.connected) this.#lostAtMs = performance.now();
    this.#heartbeat.stop();
    this.#silence.stop();
    this.#tokens.stop();
    this.#tracker.disconnected();
    const { state } = this;
    if (state.status === "closed") this.#onClosed(state);
    else this.#requests.disconnect(cause);
    this.#resubscriber.stop();
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
    this.#state.doubt();
    if (!(await this.#refresh(channels))) return;
    const downtimeMs = performance.now() - lostAtMs;
    this.#emitter.emit("resubscribed", { channels: this.subscriptions, downtimeMs });
  }

  /** Has first data sent again, after which mirrors hold nothing older; whether it came that far. */
  async #refresh(channels: readonly Channel[]): Promise<boolean> {
    try {
      const through = await this.#resubscriber.run(channels);
      if (through) this.#state.settle();
      return through;
    } catch {
      this.#failLink("no answer to a subscription made again");
      return false;
    }
  }

  #onSilence(silence: Silence): void {
    this.#emitter.emit("silent", silence);
    void this.#refresh(this.#subscriptions.list(silence.channel));
  }

  #unsubscribed(channels: readonly Channel[]): void {
    this.#subscriptions.remove(channels);
    this.#tracker.unsubscribed();
    this.#state.unsubscribed();
  }

  /** Ends what a request subscribed to after its caller had given up. */
  #undo(channels: readonly Channel[]): void {
    const unwanted = this.#subscriptions.without(channels);
    if (unwanted.length === 0) return;
    this.#requests
      .ask("Unsubscribe", { channels: unwanted }, OWN)
      .catch((error: MarketcastError) => {
        if (error instanceof ServerError) this.#report(error);
      });
  }

  #loseSubscriptions(channels: readonly Channel[], cause: MarketcastError): void {
    this.#unsubscribed(channels);
    this.#emitter.emit("subscriptionLost", { channels, cause });
  }

  #changeEpoch(epoch: string): void {
    const previous = this.#epoch;
    this.#epoch = epoch;
    this.#tracker.reset();
    if (previous !== undefined) this.#emitter.emit("epoch", { epoch, previous });
  }

  #watchToken(token: string): void {
    this.#tokens.watch(token, this.#serverAheadMs, () => void this.#renewToken(token));
  }

  async #renewToken(old: string): Promise<void> {
    let next = old;
    try {
      const token = await getToken(this.#tokens.source);
      if (token !== undefined) {
        await this.#requests.ask("Authenticate", { token }, OWN);
        next = token;
      }
    } catch (error) {
      if (error instanceof DisconnectedError) return;
      this.#report(error as MarketcastError);
    }
    // Where it failed there is another try, as long as the old one lives.
    if (this.#requests.connected) this.#watchToken(next);
  }

  #failLink(why: string): void {
    this.#session.openLink?.fail(new DisconnectedError(why, NO_CLOSE_CODE));
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

/** A `client_order_id` of 32 hexadecimal digits. */
function randomOrderId(): string {
  const bytes = crypto.getRandomValues(new Uint8Array(16));
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
}
