import { CoreClient } from "./core-client.js";
import { nodePlatform } from "./node-platform.js";
import type { ClientOptions } from "./options.js";

export * from "./exports.js";

/** The client for Node, on the `ws` package. Its token goes in the `Authorization` header. */
export class MarketcastClient extends CoreClient {
  /** Connects at once. Throws TypeError or RangeError for an option that cannot be. */
  constructor(options: ClientOptions) {
    super(options, nodePlatform);
  }
}
