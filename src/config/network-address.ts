import { isIPv4, isIPv6 } from "node:net";
import { z } from "zod";

/** An IP address, or a network of one and the length of its prefix. */
export const networkAddress = z.string().refine(isNetworkAddress);

function isNetworkAddress(text: string): boolean {
  const [address = "", prefix, ...more] = text.split("/");
  const bits = isIPv4(address) ? 32 : isIPv6(address) && !address.includes("%") ? 128 : undefined;
  if (bits === undefined || more.length > 0) return false;
  return prefix === undefined || (/^(?:0|[1-9][0-9]{0,2})$/.test(prefix) && Number(prefix) <= bits);
}
