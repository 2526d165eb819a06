import type { PrivateChannel, PrivateType } from "../../../contract/channel-kinds.js";
import type { ExchangeNews } from "../../messages.js";
import type { Connection, PrivateBatch } from "../connections/connection.js";
import type { Holder } from "../connections/fair-budget.js";
import type { Outbox } from "../connections/outbox.js";
import type { CoalescedWrites } from "./coalesced-writes.js";
import type { WalletAsking } from "./order-replays.js";
import type { PrivateChannels } from "./private-channels.js";

/** Which channels a snapshot is for. */
interface Waiting {
  readonly connection: Connection;
  readonly trader: Holder;
  readonly wallet: string;
  /** In the order in which they were subscribed to; one that was so again is there again. */
  readonly types: PrivateType[];
}

/** What wallets have, asked for and sent to connections that subscribe to their channels. */
export class WalletSnapshots {
  readonly #outbox: Outbox;
  readonly #channels: PrivateChannels;
  readonly #asking: WalletAsking;
  readonly #waiting = new Map<number, Waiting>();
  /** The latest request, by connection and wallet. */
  readonly #latest = new Map<string, number>();

  constructor(outbox: Outbox, channels: PrivateChannels, asking: WalletAsking) {
    this.#outbox = outbox;
    this.#channels = channels;
    this.#asking = asking;
  }

  /** Asks for what channels of a wallet begin with; the next exchange is asked for everything. */
  ask(connection: Connection, wallet: string, channels: readonly PrivateChannel[]): void {
    const key = keyOf(connection, wallet);
    const latest = this.#latest.get(key) ?? 0;
    const underway = this.#waiting.get(latest);
    // One that is on its way will be no older; a wallet may be large.
    if (underway && channels.every((one) => this.#channels.awaits(connection, one, latest))) {
      for (const { type } of channels) underway.types.push(type);
      return;
    }
    const types = channels.map(({ type }) => type);
    const { trader } = connection;
    const request = this.#asking.ask(trader, { type: "watch", wallet });
    if (request === undefined) return;
    this.#waiting.set(request, { connection, trader, wallet, types });
    this.#latest.set(key, request);
  }

  /** @param made snapshots of these news by what they hold: the same for many connections is made once */
  take(
    writes: CoalescedWrites,
    { request, orders, positions }: Extract<ExchangeNews, { type: "snapshot" }>,
    made: Map<object, PrivateBatch[]>,
  ): void {
    const waiting = this.#waiting.get(request);
    this.#waiting.delete(request);
    if (waiting === undefined) return;
    const { connection, trader, wallet, types } = waiting;
    this.#asking.answered(trader);
    const key = keyOf(connection, wallet);
    if (this.#latest.get(key) === request) this.#latest.delete(key);
    const { encoding } = connection;
    for (const type of types) {
      if (!this.#channels.goLive(connection, wallet, type, request)) continue;
      const held = type === "Orders" ? orders : positions;
      const batches = made.get(held) ?? [];
      made.set(held, batches);
      const known = batches[encoding];
      const batch = known ?? {
        ...this.#outbox.encode(
          encoding,
          type === "Orders"
            ? { type: "OrderSnapshot", data: { wallet, orders: [...orders] } }
            : { type: "PositionSnapshot", data: { wallet, positions: [...positions] } },
        ),
        asked: true,
      };
      batches[encoding] = batch;
      // One that is made anew its address pays as well.
      if (known === undefined) connection.charge(batch.bytes.length, performance.now());
      else connection.chargeAnswer(batch.bytes.length);
      writes.put(connection, batch);
    }
  }

  /** What has been asked is not answered any more. */
  lost(): void {
    for (const { trader } of this.#waiting.values()) this.#asking.answered(trader);
    this.#waiting.clear();
    this.#latest.clear();
  }
}

function keyOf({ number }: Connection, wallet: string): string {
  return `${number} ${wallet}`;
}
