import type { MarketId, OrderRequest, OrderType, Side, TimeInForce } from "marketcast/client";
import { plainText, readDecimal } from "./decimal.js";
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
  const quantity = readMultiple(draft.quantity, market.lotSize, "lot");
  const price =
    draft.type === "Limit" ? readMultiple(draft.price, market.tickSize, "tick") : undefined;
  if (quantity.value === undefined || price?.problem !== undefined) {
    return {
      problems: {
        ...(price?.problem !== undefined && { price: price.problem }),
        ...(quantity.problem !== undefined && { quantity: quantity.problem }),
      },
    };
  }
  const base = { market_id: market.id, side: draft.side, quantity: quantity.value };
  if (price === undefined) return { request: { ...base, order_type: "Market" } };
  return {
    request: {
      ...base,
      order_type: "Limit",
      price: price.value,
      time_in_force: draft.timeInForce,
      ...(draft.postOnly && { post_only: true }),
    },
  };
}

type Multiple =
  | { readonly value: number; readonly problem?: never }
  | { readonly value?: never; readonly problem: string };

/** What was typed as a multiple of a step, whose name is for what is wrong with it. */
function readMultiple(typed: string, step: number, name: string): Multiple {
  const rule = `positive multiple of the ${name}, ${plainText(step)}`;
  if (typed.trim() === "") return { problem: `A ${rule}, is needed` };
  const { decimal, problem } = readDecimal(typed);
  if (problem !== undefined) return { problem };
  const value = multipleOf(decimal, step);
  return value === undefined ? { problem: `${decimal} is no ${rule}` } : { value };
}

/** An order in words, as it was understood, such as: Buy 10 at 0.52. */
export function describeRequest(request: OrderRequest): string {
  const at = request.order_type === "Limit" ? plainText(request.price) : "market";
  return `${request.side} ${plainText(request.quantity)} at ${at}`;
}
