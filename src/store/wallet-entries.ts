import type { Order, Trade } from "../engine/order.js";
import { isOpen } from "../shared/order.js";
import type { Environment } from "./environment.js";
import type { Operation } from "./table.js";

/*
 * Which entries of the indexes by wallet belong to an order and a trade. An order is among its wallet's from its
 * beginning, and among those that have finished from its end; a trade is one of both its wallets.
 */

export const WALLET_INDEXES = ["orders", "finishes", "trades"] as const;
export type WalletIndexName = (typeof WALLET_INDEXES)[number];

export interface WalletEntry {
  readonly index: WalletIndexName;
  readonly wallet: string;
  /** An order's id, its finish time and id, or a trade's id. */
  readonly numbers: readonly number[];
}

/** @param isNew it is not among its wallet's yet */
export function entriesOfOrder(order: Order, isNew: boolean): WalletEntry[] {
  const { wallet, orderId, updatedTs } = order;
  return [
    ...(isNew ? [{ index: "orders", wallet, numbers: [orderId] } as const] : []),
    ...(isOpen(order)
      ? []
      : [{ index: "finishes", wallet, numbers: [updatedTs, orderId] } as const]),
  ];
}

export function entriesOfTrade({ tradeId, makerWallet, takerWallet }: Trade): WalletEntry[] {
  return [makerWallet, takerWallet].map((wallet) => ({
    index: "trades",
    wallet,
    numbers: [tradeId],
  }));
}

/** Throws Error for a wallet that LMDB takes no key of. */
export function putEntries({ wallets }: Environment, entries: readonly WalletEntry[]): Operation[] {
  return entries.flatMap(
    ({ index, wallet, numbers }) => wallets?.[index].put(wallet, ...numbers) ?? [],
  );
}

export function removeEntries(
  { wallets }: Environment,
  entries: readonly WalletEntry[],
): Operation[] {
  return entries.flatMap(
    ({ index, wallet, numbers }) => wallets?.[index].remove(wallet, ...numbers) ?? [],
  );
}

/** As keys of an index are in order. */
export function compareNumbers(a: readonly number[], b: readonly number[]): number {
  const at = a.findIndex((number, index) => number !== b[index]);
  return at < 0 ? 0 : (a[at] as number) - (b[at] as number);
}
