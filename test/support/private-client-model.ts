import type { ServerMessage } from "../../src/contract/messages.js";
import type { ContractOrder, ContractPosition } from "../../src/store/contract-form.js";
import { isOpen, stateText } from "./exchange-model.js";

type Type = "Orders" | "Positions";

/** A subscription as its client sees it. */
interface Stream {
  /** Snapshots that are still to come. */
  due: number;
  /** What the client has; undefined until its snapshot. */
  state: Map<string, ContractOrder | ContractPosition> | undefined;
  /** The changes after which the exchange may have stood like that. */
  at: readonly number[];
}

/**
 * An obvious client of one wallet: it makes a copy of what the exchange has from snapshots and
 * updates, and throws where the copy is none, or where an answer is not due.
 */
export class PrivateClientModel {
  readonly asked = new Set<string>();
  readonly streams = new Map<Type, Stream>();
  readonly #history: Readonly<Record<Type, readonly string[]>>;

  /** @param history how the wallet stood after each change */
  constructor(history: Readonly<Record<Type, readonly string[]>>) {
    this.#history = history;
  }

  /** Another exchange has taken over: one snapshot of everything, and nothing before it. */
  exchangeChanged(): void {
    for (const stream of this.streams.values()) {
      stream.due = 1;
      stream.state = undefined;
    }
  }

  take(message: ServerMessage): void {
    const { id } = message;
    if (id !== undefined && !this.asked.delete(`${id}`)) fail("an answer that is not due", message);
    switch (message.type) {
      case "Subscribed":
        for (const { type } of message.data.channels) {
          if (type !== "Orders" && type !== "Positions") continue;
          const stream = this.streams.get(type) ?? { due: 0, state: undefined, at: [] };
          stream.due++;
          this.streams.set(type, stream);
        }
        return;
      case "Unsubscribed":
        for (const { type } of message.data.channels) this.streams.delete(type as Type);
        return;
      case "OrderSnapshot":
        return this.#start("Orders", message.data.orders as ContractOrder[]);
      case "PositionSnapshot":
        return this.#start("Positions", message.data.positions);
      case "OrderUpdate": {
        const order = message.data.order as ContractOrder;
        return id === undefined ? this.#update("Orders", order) : this.#answered(order);
      }
      case "PositionUpdate":
        return this.#update("Positions", message.data.position);
      case "Error":
        if (id === undefined) fail("an error that nothing asked for", message);
    }
  }

  /** Throws unless the client has what the exchange has now, and no answer is missing. */
  expectUpToDate(): void {
    if (this.asked.size > 0) fail("no answer", [...this.asked]);
    for (const [type, { due, at }] of this.streams) {
      if (due > 0) fail("no snapshot", type);
      const now = this.#history[type].length - 1;
      if (!at.includes(now)) fail(`${type} stand at ${now}`, at);
    }
  }

  #start(type: Type, all: readonly (ContractOrder | ContractPosition)[]): void {
    const stream = this.streams.get(type);
    if (stream === undefined || stream.due === 0) return fail("a snapshot too many", all);
    const [oldest = 0] = stream.at;
    stream.due--;
    stream.state = new Map(all.map((one) => [keyOf(one), one]));
    const text = stateText(all);
    stream.at = this.#history[type].flatMap((state, at) =>
      state === text && at >= oldest ? [at] : [],
    );
    if (stream.at.length === 0) fail(`a snapshot of no state since ${oldest}`, all);
  }

  #update(type: Type, changed: ContractOrder | ContractPosition): void {
    const stream = this.streams.get(type);
    if (stream?.state === undefined) return fail("an update without a snapshot", changed);
    const at = changed.updated_ts;
    if (!stream.at.includes(at - 1)) fail(`lost or doubled, after ${stream.at}`, changed);
    if ("order_id" in changed && !isOpen(changed)) stream.state.delete(keyOf(changed));
    else stream.state.set(keyOf(changed), changed);
    if (stateText(stream.state.values()) !== this.#history[type][at])
      fail("not what the exchange has", changed);
    stream.at = [at];
  }

  /** An answer is an update as well, unless it tells again of an earlier change. */
  #answered(order: ContractOrder): void {
    const stream = this.streams.get("Orders");
    if (stream?.state === undefined) return;
    if (stream.at.includes(order.updated_ts - 1)) return this.#update("Orders", order);
    if (order.updated_ts > Math.max(...stream.at)) fail(`lost, after ${stream.at}`, order);
  }
}

function keyOf(one: ContractOrder | ContractPosition): string {
  return "order_id" in one ? one.order_id : `${one.market_id}`;
}

function fail(what: string, context: unknown): never {
  throw new Error(`${what}: ${JSON.stringify(context)}`);
}
