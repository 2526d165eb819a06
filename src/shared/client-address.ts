import { isIPv6 } from "node:net";

const GROUPS = 8;
/** Groups of the part of an IPv6 address that a provider gives to one customer: 64 bits. */
const NETWORK_GROUPS = 4;
const MAPPED_IPV4 = /^::ffff:(\d+\.\d+\.\d+\.\d+)$/i;

/** An IPv4 address as such where it comes mapped into IPv6, and any other without its zone. */
export function hostAddress(remoteAddress: string): string {
  return MAPPED_IPV4.exec(remoteAddress)?.[1] ?? (remoteAddress.split("%", 1)[0] as string);
}

/**
 * Who a client is, as far as limits per address go: its IPv4 address, also where that comes mapped into
 * IPv6, or the /64 network of its IPv6 address, as anybody with one address there has all of them.
 */
export function clientAddress(remoteAddress: string): string {
  const address = hostAddress(remoteAddress);
  if (!isIPv6(address)) return address;
  const [before = [], after = []] = address
    .split("::", 2)
    .map((part) => part.split(":").filter(Boolean));
  // Between the two colons are zeros, and what is behind them may reach into the network.
  const zeros = new Array<string>(GROUPS - before.length - after.length).fill("0");
  const network = [...before, ...zeros, ...after]
    .slice(0, NETWORK_GROUPS)
    .map((group) => Number.parseInt(group, 16));
  return `${network.map((group) => group.toString(16)).join(":")}::/64`;
}
