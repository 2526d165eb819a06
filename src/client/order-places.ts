import type { Channel, ServerMessage } from "../contract/messages.js";

type OrdersChannel = Extract<Channel, { readonly type: "Orders" }>;

/** How far the orders of a wallet have been told. */
interface OrderPlace {
  /** The latest `ts` that has been told. */
  ts: number;
  /** What has been told with that `ts`, as JSON: it comes again. */
  told: Set<string>;
  /** What was missed may still be on its way on this connection, and answers come ahead of it. */
  replaying: boolean;
  /** What there was before has been told, or the program has it: nothing but what follows is missing. */
  known: boolean;
}

/**
 * Knows how far each wallet's orders have been told, so that they go on from there on another connection. Their
 * fills and states are told in the order of `ts`, but for answers while what was missed is on its way.
 */
export class OrderPlaces {
  readonly #places = new Map<string, OrderPlace>();

  /** Nothing may be missed from `ts` on; what is told from there on is news where the program `asked` for it. */
  begin({ params }: OrdersChannel, ts: number, asked: boolean): void {
    if (asked || !this.#places.has(params.wallet))
      this.#places.set(params.wallet, { ts, told: new Set(), replaying: false, known: asked });
  }

  subscribed({ params, recovered }: OrdersChannel): void {
    const place = this.#places.get(params.wallet);
    if (place !== undefined) place.replaying = recovered === true;
  }

  /** All open orders of a wallet have been told. */
  begun(wallet: string): void {
    const place = this.#places.get(wallet);
    if (place !== undefined) place.known = true;
  }

  /** Another connection or exchange tells what the one before has not: answers come ahead of that. */
  reset(): void {
    for (const place of this.#places.values()) place.replaying = true;
  }

  /** Where a wallet's orders are to go on, if that is known, in microseconds. */
  since({ params }: OrdersChannel): number | undefined {
    const place = this.#places.get(params.wallet);
    return place?.known === true ? place.ts : undefined;
  }

  /** Takes a message; returns whether it is news, as every answer is. */
  take({ id, data }: ServerMessage<"Fill" | "OrderUpdate">): boolean {
    const what = "fill" in data ? data.fill : data.order;
    const ts = "ts" in what ? what.ts : what.updated_ts;
    const place = this.#places.get(what.wallet);
    if (place === undefined || (id !== undefined && place.replaying)) return true;
    if (ts < place.ts) return id !== undefined || place.told.size === 0;
    if (ts > place.ts) {
      place.ts = ts;
      place.told = new Set();
    }
    const key = JSON.stringify(what);
    const isNews = id !== undefined || !place.told.has(key);
    place.told.add(key);
    return isNews;
  }

  /** Forgets the wallets that are not subscribed any more. */
  retain(wallets: ReadonlySet<string>): void {
    for (const wallet of this.#places.keys()) if (!wallets.has(wallet)) this.#places.delete(wallet);
  }
}
