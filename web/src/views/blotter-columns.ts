import type { Fill, MarketId, Order, Position } from "marketcast/client";
import { fixed, moment, NONE, signed } from "../format.js";
import type { MarketStore } from "../model/market-store.js";
import type { Column } from "./keyed-table.js";

/** Whatever is of a market. */
interface OfMarket {
  readonly market_id: MarketId;
}

/** The columns of orders, fills and positions, with prices and quantities as their markets have them. */
export class BlotterColumns {
  readonly #store: MarketStore;

  constructor(store: MarketStore) {
    this.#store = store;
  }

  titleOf({ market_id }: OfMarket): string {
    return this.#store.get(market_id)?.title ?? `${market_id}`;
  }

  #priceText(item: OfMarket, price: number | undefined, moreDecimals = 0): string {
    const decimals = this.#store.get(item.market_id)?.priceDecimals ?? 2;
    return price === undefined ? NONE : fixed(price, decimals + moreDecimals);
  }

  #quantityText(item: OfMarket, quantity: number): string {
    return fixed(quantity, this.#store.get(item.market_id)?.quantityDecimals ?? 0);
  }

  orders(): Column<Order>[] {
    return [
      { label: "Time", className: "muted", text: ({ created_ts }) => moment(created_ts) },
      { label: "Market", className: "wide", text: (order) => this.titleOf(order) },
      { label: "Side", className: "tone", text: ({ side }) => side },
      { label: "Type", text: typeText },
      {
        label: "Price",
        className: "number",
        text: (order) => this.#priceText(order, order.price ?? order.average_price),
      },
      {
        label: "Filled",
        className: "number",
        text: (order) =>
          `${this.#quantityText(order, order.filled_quantity)} / ${this.#quantityText(order, order.quantity)}`,
      },
    ];
  }

  finishedOrders(): Column<Order>[] {
    const outcome: Column<Order> = {
      label: "Outcome",
      text: ({ status, reason }) => (reason === undefined ? status : `${status}: ${reason}`),
    };
    return [...this.orders(), outcome];
  }

  fills(): Column<Fill>[] {
    return [
      { label: "Time", className: "muted", text: ({ ts }) => moment(ts) },
      { label: "Market", className: "wide", text: (fill) => this.titleOf(fill) },
      { label: "Side", className: "tone", text: ({ side }) => side },
      {
        label: "Price",
        className: "number",
        text: (fill) => this.#priceText(fill, fill.price),
      },
      {
        label: "Quantity",
        className: "number",
        text: (fill) => this.#quantityText(fill, fill.quantity),
      },
      { label: "As", text: ({ liquidity }) => liquidity },
      { label: "Order", className: "muted number", text: ({ order_id }) => order_id },
    ];
  }

  positions(): Column<Position>[] {
    return [
      { label: "Market", className: "wide", text: (position) => this.titleOf(position) },
      {
        label: "Quantity",
        className: "number tone",
        text: (position) => this.#quantityText(position, position.quantity),
      },
      {
        label: "Average",
        className: "number",
        text: (position) => this.#priceText(position, position.average_price, 1),
      },
      {
        label: "Last",
        className: "number",
        text: (position) =>
          this.#priceText(position, this.#store.get(position.market_id)?.price ?? undefined),
      },
      {
        label: "Unrealized",
        className: "number",
        text: (position) => {
          const market = this.#store.get(position.market_id);
          if (market === undefined || market.price === null) return NONE;
          return signed((market.price - position.average_price) * position.quantity, 2);
        },
      },
      {
        label: "Realized",
        className: "number",
        text: ({ realized_pnl }) => signed(realized_pnl, 2),
      },
    ];
  }
}

/** Such as: Limit GTD until 17:30:00 post. */
function typeText({ order_type, time_in_force, expires_ts, post_only }: Order): string {
  const until = expires_ts === undefined ? "" : `until ${moment(expires_ts)}`;
  return [order_type, time_in_force === "GTC" ? "" : time_in_force, until, post_only ? "post" : ""]
    .filter((part) => part !== "")
    .join(" ");
}
