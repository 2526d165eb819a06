import { z } from "zod";
import { CHANNELS_PER_REQUEST_MAX, channelKey, channelSchema } from "./channels.js";

export const REQUEST_ID_CHARACTERS_MAX = 64;

/** A client's request id: a safe integer or a short string, given back with each direct reply. */
export const requestIdSchema = z.union([z.int(), z.string().max(REQUEST_ID_CHARACTERS_MAX)]);
export type RequestId = z.infer<typeof requestIdSchema>;

/** Channels in canonical form, each of them once. */
const channels = z
  .array(channelSchema)
  .min(1)
  .max(CHANNELS_PER_REQUEST_MAX)
  .transform((named) => [...new Map(named.map((one) => [channelKey(one), one])).values()]);
/** Orders are taken as they come until an exchange is there to read them. */
const order = z.record(z.string(), z.unknown());

/** The `data` of each message type a client can send. */
export const clientData = {
  Authenticate: z.object({ token: z.string() }),
  Subscribe: z.object({ channels }),
  Unsubscribe: z.object({ channels }),
  Ping: z.object({ timestamp: z.number() }),
  PlaceOrder: order,
  CancelOrder: order,
} as const;

export type ClientType = keyof typeof clientData;

/** A message from a client, parsed: `data` in canonical form. */
export type ClientMessage = {
  [T in ClientType]: {
    readonly type: T;
    readonly id?: RequestId;
    readonly data: z.output<(typeof clientData)[T]>;
  };
}[ClientType];
