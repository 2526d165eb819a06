/*
 * Limits of the contract that both sides keep. Those that an operator sets are in the configuration.
 */

/** Most market ids that one `PriceFeed` may name. */
export const PRICE_FEED_MARKETS_MAX = 1000;
/** Levels a side that a `Book` may have. */
export const BOOK_DEPTHS = [1, 5, 10, 20, 50, 100] as const;
export const BOOK_DEPTH_DEFAULT = 20;
/** Shortest times between two messages of a stream that may be asked for, in milliseconds. */
export const MERGE_INTERVALS_MS = [0, 20, 100, 250, 500, 1000, 2000, 5000, 10_000, 60_000] as const;
/** Most channels that one request may name. */
export const CHANNELS_PER_REQUEST_MAX = 100;
/** Longest part of a title that a filter may search for. */
export const SEARCH_CHARACTERS_MAX = 64;
/** Longest name of a channel of users' own. */
export const CHANNEL_NAME_CHARACTERS_MAX = 128;
/** Most that a publication may be, in bytes of JSON. */
export const PUBLICATION_BYTES_MAX = 16_384;
/** How often a `Heartbeat` may be asked for, in milliseconds, and how often it comes unasked. */
export const HEARTBEAT_INTERVAL_MS = { least: 100, most: 60_000, usual: 1000 } as const;
/** Most candles that a `CandleSnapshot` has, and how many where nobody says. */
export const CANDLES_MAX = 1000;
export const CANDLES_USUAL = 100;
/** Longest id of a request that is a text. */
export const REQUEST_ID_CHARACTERS_MAX = 64;
export const CLIENT_ORDER_ID_CHARACTERS_MAX = 36;
export const ORDER_ID_CHARACTERS_MAX = 64;
/** Most orders that one request may place. */
export const ORDERS_PER_REQUEST_MAX = 50;
/** After how long a wallet may have its open orders cancelled, in milliseconds, beside 0 for never. */
export const CANCEL_AFTER_MS = { least: 1000, most: 300_000 } as const;
/** Most names that one `PresenceUpdate` lists. */
export const PRESENCE_MEMBERS_MAX = 1000;
/** Trades or candles of a page of history. */
export const HISTORY_PAGE_MAX = 1000;
/** Longer than any `next` of a page. */
export const CURSOR_CHARACTERS_MAX = 64;
