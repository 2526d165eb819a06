import type { Client, NamedChannelClient } from "./client.js";
import type { Requests } from "./requests.js";

/** A channel that users publish to, over a client and its requests. */
export function namedChannel(
  client: Client,
  requests: Requests,
  channel: string,
): NamedChannelClient {
  return {
    publish: async (data, options) =>
      requests.ask("Publish", { channel, data }, { ...options, whenLost: "once" }),
    presence: (...asked) => client.presence({ channel }, ...asked),
  };
}
