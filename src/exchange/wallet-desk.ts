import type { Logger } from "../shared/log.js";
import type { Store } from "../store/store.js";
import type {
  ExchangeNews,
  ExchangeToShard,
  Refused,
  ReplayPosition,
} from "../workers/messages.js";
import type { AttachedShard } from "./exchange-shards.js";
import {
  type WalletRequest,
  type WalletSources,
  type WalletTask,
  walletTask,
} from "./wallet-tasks.js";

/** How long what is asked of the past may keep the exchange between two batches, in ms. */
const TURN_MS = 2;
/** When a store that cannot be read is tried again, in ms. */
const RETRY_MS = 1000;

const STOPPING: Refused = { code: "UNAVAILABLE", message: "the server is stopping" };

interface Waiting {
  readonly from: AttachedShard;
  readonly request: WalletRequest;
  readonly task: WalletTask;
}

interface WalletDeskContext {
  readonly store: Pick<Store, "read">;
  readonly core: WalletSources["core"];
  readonly now: () => number;
  /** From where on nothing has been told of what is on disk. */
  readonly told: () => ReplayPosition;
  /** Whether a wallet's snapshot is still to be told: what is told of its past is behind that. */
  readonly waits: (wallet: string) => boolean;
  readonly log: Logger;
}

/**
 * Answers what is asked of wallets' pasts out of the store, between two batches, when engine, disk and what has
 * been told are one: for a few milliseconds each time, a piece of one wallet's and then of the next one's, so that
 * whoever asks for much waits longer than who asks for little, and nobody's orders wait for it.
 *
 * Invariant: a wallet has an entry exactly while something that is asked of it waits.
 */
export class WalletDesk {
  readonly #context: WalletDeskContext;
  readonly #waiting = new Map<string, Waiting[]>();
  #pausedUntil = 0;
  #stopping = false;

  constructor(context: WalletDeskContext) {
    this.#context = context;
  }

  /** Whether something is to be done. */
  get isDue(): boolean {
    return this.#waiting.size > 0 && performance.now() >= this.#pausedUntil;
  }

  ask(from: AttachedShard, request: WalletRequest): void {
    if (this.#stopping) return tell(from, refusalOf(request, STOPPING));
    const task = begun(request);
    const key = request.wallet ?? "";
    const others = this.#waiting.get(key);
    if (others === undefined) this.#waiting.set(key, [{ from, request, task }]);
    else others.push({ from, request, task });
  }

  /** Works for some milliseconds on what waits; between two batches only. */
  async serve(): Promise<void> {
    if (!this.isDue) return;
    const { store, core, now } = this.#context;
    try {
      await store.read((records) => this.#work({ records, core, now: now() }));
    } catch (error) {
      this.#context.log.error({ err: error }, "the past of wallets cannot be read from the store");
      this.#refuse({
        code: "UNAVAILABLE",
        message: `history cannot be read: ${(error as Error).message}`,
      });
    }
  }

  /** Refuses what waits, and all that is asked from now on. */
  stop(): void {
    this.#stopping = true;
    this.#refuse(STOPPING);
    this.#waiting.clear();
  }

  #work(sources: WalletSources): void {
    const endsAt = performance.now() + TURN_MS;
    do {
      const wallet = this.#next();
      if (wallet === undefined) break;
      const own = this.#waiting.get(wallet) ?? [];
      const [first] = own;
      const answer = first && this.#advance(first, sources);
      if (first !== undefined && answer !== undefined) {
        own.shift();
        tell(first.from, ...answer);
      }
      // It is the last one's turn from now on.
      this.#waiting.delete(wallet);
      if (own.length > 0) this.#waiting.set(wallet, own);
    } while (performance.now() < endsAt);
  }

  #next(): string | undefined {
    for (const wallet of this.#waiting.keys()) if (!this.#context.waits(wallet)) return wallet;
    return undefined;
  }

  /** Does a piece of work; returns what is told, where that was the last one, or there is no sense in going on. */
  #advance(
    { request, task }: Waiting,
    sources: WalletSources,
  ): readonly ExchangeNews[] | undefined {
    try {
      const { done, value } = task.next(sources);
      if (done !== true) return undefined;
      // The shard has been told all that is on disk of that wallet.
      const isThrough = value.type === "replay" && value.next === undefined;
      return isThrough ? [value, { type: "told", position: this.#context.told() }] : [value];
    } catch (error) {
      // Others' pasts may be readable.
      this.#context.log.error({ err: error }, "the past of a wallet cannot be told");
      return [refusalOf(request, { code: "INTERNAL", message: (error as Error).message })];
    }
  }

  /** Answers all that waits by a refusal, but for replays, which nobody asks for again: they are tried later. */
  #refuse(refusal: Refused): void {
    for (const [wallet, own] of [...this.#waiting]) {
      for (const { from, request } of own)
        if (request.type !== "replay") tell(from, refusalOf(request, refusal));
      const replays = own.filter(({ request }) => request.type === "replay");
      this.#waiting.delete(wallet);
      if (replays.length > 0)
        this.#waiting.set(
          wallet,
          replays.map((one) => ({ ...one, task: begun(one.request) })),
        );
    }
    this.#pausedUntil = performance.now() + RETRY_MS;
  }
}

/** The work on a request, up to where it asks for what there is. */
function begun(request: WalletRequest): WalletTask {
  const task = walletTask(request);
  task.next();
  return task;
}

function tell({ port }: AttachedShard, ...news: readonly ExchangeNews[]): void {
  port.postMessage(news satisfies ExchangeToShard);
}

function refusalOf(request: WalletRequest, refusal: Refused): ExchangeNews {
  const { type, request: number } = request;
  if (type === "recover") return { type: "recoverable", request: number, recovered: false };
  if (type === "replay") return { type: "replay-lost", request: number };
  return { type: "refusal", request: number, refusal };
}
