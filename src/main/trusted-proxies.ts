import { BlockList, isIPv6 } from "node:net";
import { hostAddress } from "../shared/client-address.js";

/** Tells the addresses of proxies from all others, by addresses and networks such as 10.0.0.0/8. */
export class TrustedProxies {
  readonly #list = new BlockList();

  constructor(networks: readonly string[]) {
    for (const network of networks) {
      const [address = "", prefix] = network.split("/");
      const family = isIPv6(address) ? "ipv6" : "ipv4";
      if (prefix === undefined) this.#list.addAddress(address, family);
      else this.#list.addSubnet(address, Number(prefix), family);
    }
  }

  has(remoteAddress: string): boolean {
    const address = hostAddress(remoteAddress);
    return this.#list.check(address, isIPv6(address) ? "ipv6" : "ipv4");
  }
}
