import { toContractOrder, toContractPosition } from "../store/contract-form.js";
import type { ExchangeNews, ExchangeRequest, ExchangeToShard } from "../workers/messages.js";
import type { ExchangeCore } from "./exchange-core.js";
import type { AttachedShard } from "./exchange-shards.js";

/** How long snapshots may keep the exchange between two batches, in ms; one more is begun within it. */
const TURN_MS = 2;

type Watch = Extract<ExchangeRequest, { readonly type: "watch" }>;
type Snapshot = Extract<ExchangeNews, { readonly type: "snapshot" }>;

/**
 * Tells those that begin to watch wallets what these have: between two batches, when engine, disk and what has been
 * told are one, for a few milliseconds each time. A wallet may have thousands of orders, so its snapshot is made
 * once for all that wait for it, and one wallet's after the other: nobody's orders wait for more than one.
 *
 * Invariant: a wallet has an entry exactly while somebody waits for its snapshot.
 */
export class SnapshotDesk {
  readonly #core: Pick<ExchangeCore, "openOrders" | "positions" | "listed">;
  readonly #waiting = new Map<string, Map<AttachedShard, Watch[]>>();

  constructor(core: Pick<ExchangeCore, "openOrders" | "positions" | "listed">) {
    this.#core = core;
  }

  /** Whether something is to be told. */
  get isDue(): boolean {
    return this.#waiting.size > 0;
  }

  /** Whether a wallet's snapshot is still to be told to somebody. */
  isDueOf(wallet: string): boolean {
    return this.#waiting.has(wallet);
  }

  ask(from: AttachedShard, request: Watch): void {
    const { wallet } = request;
    const shards = this.#waiting.get(wallet) ?? new Map<AttachedShard, Watch[]>();
    this.#waiting.set(wallet, shards);
    const requests = shards.get(from);
    if (requests === undefined) shards.set(from, [request]);
    else requests.push(request);
  }

  /** Works for some milliseconds on what waits; between two batches only. */
  serve(): void {
    const endsAt = performance.now() + TURN_MS;
    do {
      const [next] = this.#waiting;
      if (next === undefined) return;
      const [wallet, shards] = next;
      this.#waiting.delete(wallet);
      const held = this.#holdingsOf(wallet);
      // Within one message the same is sent once.
      for (const [{ port }, requests] of shards) {
        const news = requests.map(({ request }): Snapshot => {
          return { type: "snapshot", request, ...held };
        });
        port.postMessage(news satisfies ExchangeToShard);
      }
    } while (performance.now() < endsAt);
  }

  #holdingsOf(wallet: string): Pick<Snapshot, "orders" | "positions"> {
    const core = this.#core;
    return {
      orders: [...core.openOrders(wallet)].map((order) =>
        toContractOrder(order, core.listed(order.marketId)),
      ),
      positions: [...core.positions(wallet)].map((position) =>
        toContractPosition(position, core.listed(position.marketId)),
      ),
    };
  }
}
