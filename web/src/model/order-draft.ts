import type {
  MarketId,
  OrderRequest,
  OrderType,
  SelfTrade,
  Side,
  TimeInForce,
} from "marketcast/client";
import { plainText, readDecimal } from "./decimal.js";
import { multipleOf } from "./steps.js";

/** An order as it is typed. */
export interface OrderDraft {
  readonly side: Side;
  readonly type: OrderType;
  readonly price: string;
  readonly quantity: string;
  readonly timeInForce: TimeInForce;
  /** Local date and time, as a field for that has it; of a GTD order only. */
  readonly expires: string;
  readonly postOnly: boolean;
  readonly selfTrade: SelfTrade;
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
  readonly expires?: string;
}

export type CheckedDraft =
  | { readonly request: OrderRequest; readonly problems?: never }
  | { readonly request?: never; readonly problems: DraftProblems };

/** Whether an order may be Post only: where it may rest. */
export function mayBePostOnly(timeInForce: TimeInForce): boolean {
  return timeInForce === "GTC" || timeInForce === "GTD";
}

/**
 * The request for a draft, or what is to be put right first.
 * @param nowMs in milliseconds since the Unix epoch
 */
export function checkDraft(draft: OrderDraft, market: OrderSteps, nowMs: number): CheckedDraft {
  const { type, timeInForce } = draft;
  const quantity = readMultiple(draft.quantity, market.lotSize, "lot");
  const price = type === "Limit" ? readMultiple(draft.price, market.tickSize, "tick") : undefined;
  const expires =
    type === "Limit" && timeInForce === "GTD" ? readExpiry(draft.expires, nowMs) : undefined;
  if (
    quantity.value === undefined ||
    price?.problem !== undefined ||
    expires?.problem !== undefined
  ) {
    return {
      problems: {
        ...(price?.problem !== undefined && { price: price.problem }),
        ...(quantity.problem !== undefined && { quantity: quantity.problem }),
        ...(expires?.problem !== undefined && { expires: expires.problem }),
      },
    };
  }
  const base = {
    ...{ market_id: market.id, side: draft.side, quantity: quantity.value },
    // What is said by default needs no word.
    ...(draft.selfTrade !== "CancelTaker" && { self_trade: draft.selfTrade }),
  };
  if (price === undefined) return { request: { ...base, order_type: "Market" } };
  return {
    request: {
      ...base,
      order_type: "Limit",
      price: price.value,
      time_in_force: timeInForce,
      ...(expires !== undefined && { expires_ts: expires.value }),
      ...(draft.postOnly && mayBePostOnly(timeInForce) && { post_only: true }),
    },
  };
}

type Reading =
  | { readonly value: number; readonly problem?: never }
  | { readonly value?: never; readonly problem: string };

/** What was typed as a multiple of a step, whose name is for what is wrong with it. */
export function readMultiple(typed: string, step: number, name: string): Reading {
  const rule = `positive multiple of the ${name}, ${plainText(step)}`;
  if (typed.trim() === "") return { problem: `A ${rule}, is needed` };
  const { decimal, problem } = readDecimal(typed);
  if (problem !== undefined) return { problem };
  const value = multipleOf(decimal, step);
  return value === undefined ? { problem: `${decimal} is no ${rule}` } : { value };
}

/** A local date and time, in microseconds since the Unix epoch. */
function readExpiry(typed: string, nowMs: number): Reading {
  const ms = Date.parse(typed);
  if (Number.isNaN(ms)) return { problem: "A date and a time are needed" };
  return ms <= nowMs ? { problem: "This is over already" } : { value: ms * 1000 };
}

/** An order in words, as it was understood, such as: Buy 10 at 0.52. */
export function describeRequest(request: OrderRequest): string {
  const at = request.order_type === "Limit" ? plainText(request.price) : "market";
  return `${request.side} ${plainText(request.quantity)} at ${at}`;
}
