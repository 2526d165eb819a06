import { expect, it } from "vitest";
import { TrustedProxies } from "../../src/main/trusted-proxies.js";

it("trusted proxies - are told by address and network, whichever way an address is written", () => {
  const proxies = new TrustedProxies(["192.0.2.1", "10.0.0.0/8", "2001:db8::/32", "fd00::1"]);
  for (const address of [
    "192.0.2.1",
    "::ffff:192.0.2.1",
    "10.255.0.3",
    "::ffff:10.1.1.1",
    "2001:db8:1::7",
    "fd00::1",
  ])
    expect([address, proxies.has(address)]).toEqual([address, true]);
  for (const address of ["192.0.2.2", "11.0.0.1", "::1", "2001:db9::1", "fd00::2", "127.0.0.1"])
    expect([address, proxies.has(address)]).toEqual([address, false]);
  expect(new TrustedProxies([]).has("127.0.0.1")).toBe(false);
});
