/** Price × quantity, in ticks × lots. */
export function tradeValue(price: number, quantity: number): bigint {
  const product = price * quantity;
  // A product of doubles up to 2^53−1 was not rounded.
  return product <= Number.MAX_SAFE_INTEGER ? BigInt(product) : BigInt(price) * BigInt(quantity);
}
