/**
 * Feed map of bare level-1 quotes: ask price, ask size, bid price, bid size; prices × 10,000; no
 * header, no times. It is the layout of LOBSTER's order book files (lobsterdata.com) of one level.
 */
export const LEVEL1_QUOTES = {
  price_scale: 10_000,
  columns: { ask_price: 0, ask_size: 1, bid_price: 2, bid_size: 3 },
  market: { market_id: 1001, title: "Level 1 quotes", tick_size: 0.01, lot_size: 1 },
};
