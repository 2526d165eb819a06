import { expect, it } from "vitest";
import { networkAddress } from "../../src/config/network-address.js";

it("network address - is an IP address, or one with the length of its prefix", () => {
  for (const text of ["192.0.2.1", "10.0.0.0/8", "0.0.0.0/0", "::1", "2001:db8::/32", "::/128"])
    expect([text, networkAddress.safeParse(text).success]).toEqual([text, true]);
  for (const text of [
    "",
    "proxy.example",
    "192.0.2.1:80",
    "10.0.0.0/33",
    "10.0.0.0/",
    "10.0.0.0/08",
    "10.0.0.0/8/8",
    "::/129",
    "fe80::1%eth0",
    "[::1]",
    "/8",
  ])
    expect([text, networkAddress.safeParse(text).success]).toEqual([text, false]);
});
