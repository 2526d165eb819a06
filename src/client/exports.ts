/* What both entries of the package export, besides the class of each. */
export type { PrivateChannel } from "../contract/channel-kinds.js";
export type { Encoding } from "../contract/encodings.js";
export type * from "../contract/messages.js";
export type { Client, ClientStats, NamedChannelClient } from "./client.js";
export * from "./errors.js";
export type * from "./events.js";
export type {
  CandleQuery,
  FillQuery,
  History,
  HistoryItems,
  OrderQuery,
  TradeQuery,
} from "./history.js";
export type { Mirror, MirrorChange } from "./mirror.js";
export type { ClientOptions, RequestOptions, TokenSource } from "./options.js";
export type { PresenceListener, PresenceState } from "./presence.js";
export type * from "./state.js";
