import { browserPlatform } from "./browser-platform.js";
import { CoreClient } from "./core-client.js";
import type { ClientOptions } from "./options.js";

export * from "./exports.js";

/** The client for browsers. Its token goes in a first message, never in the URL. */
export class MarketcastClient extends CoreClient {
  /** Connects at once. Throws TypeError or RangeError for an option that cannot be. */
  constructor(options: ClientOptions) {
    super(options, browserPlatform);
  }
}
