import type { MarketId, OrderRequest, OrderType, Side, TimeInForce } from "marketcast/client";
import { multipleOf } from "./steps.js";

/** An order as it is typed. */
export interface OrderDraft {
  readonly side: Side;
  readonly type: OrderType;
  readonly price: string;
  readonly quantity: string;
  readonly timeInForce: TimeInForce;
  readonly postOnly: boolean;
}

/** What of a market an order must fit. */
export interface OrderSteps {
  readonly id: MarketId;
  readonly tickSize: number;
  readonly lotSize: number;
}

/** What is wrong with a field. */
export interface DraftProblems {
  readonly price?: string;
  readonly quantity?: string;
}

export type CheckedDraft =
  | { readonly request: OrderRequest; readonly problems?: never }
  | { readonly request?: never; readonly problems: DraftProblems };

/** The request for a draft, or what is to be put right first. */
export function checkDraft(draft: OrderDraft, market: OrderSteps): CheckedDraft {
  const quantity = multipleOf(draft.quantity, market.lotSize);
  const limit = draft.type === "Limit";
  const price = limit ? multipleOf(draft.price, market.tickSize) : undefined;
  const priceWrong = limit && price === undefined;
  if (quantity === undefined || priceWrong) {
    return {
      problems: {
        ...(priceWrong && { price: `A positive multiple of the tick, ${market.tickSize}` }),
        ...(quantity === undefined && {
          quantity: `A positive multiple of the lot, ${market.lotSize}`,
        }),
      },
    };
  }
  const base = { market_id: market.id, side: draft.side, quantity };
  if (price === undefined) return { request: { ...base, order_type: "Market" } };
  return {
    request: {
      ...base,
      order_type: "Limit",
      price,
      time_in_force: draft.timeInForce,
      ...(draft.postOnly && { post_only: true }),
    },
  };
}
