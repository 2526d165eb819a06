import { expect, test } from "vitest";
import { hostname, hostnameOf } from "../../src/config/hostname.js";

test.each([
  ["localhost", "localhost"],
  ["LocalHost:9081", "localhost"],
  ["127.1:80", "127.0.0.1"],
  ["[::1]:1", "[::1]"],
  ["[0:0::1]", "[::1]"],
  ["ops_port.example.", "ops_port.example."],
  ["", undefined],
  [":80", undefined],
  ["::1", undefined],
  ["a b", undefined],
  ["user@a", undefined],
  ["a/b", undefined],
  ["a:b", undefined],
  ["a:70000", undefined],
  ["[::g]", undefined],
  ["300.1.1.1", undefined],
])("hostname - the Host %j is %j", (host, name) => {
  expect(hostnameOf(host)).toBe(name);
});

test("hostname - one of the configuration has no port", () => {
  expect(hostname.parse("OPS.example")).toBe("ops.example");
  expect(hostname.parse("[FD00::1]")).toBe("[fd00::1]");
  for (const wrong of ["a:80", "[::1]:80", "::1", "http://a", "", "*", "a".repeat(256)])
    expect(hostname.safeParse(wrong).success).toBe(false);
});
