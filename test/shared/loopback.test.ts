import { expect, test } from "vitest";
import { isLoopback } from "../../src/shared/loopback.js";

test.each([
  ["127.0.0.1", true],
  ["127.255.255.254", true],
  ["::1", true],
  ["0:0:0:0:0:0:0:1", true],
  ["::1%lo", true],
  ["::ffff:127.0.0.1", true],
  ["::ffff:7f00:1", true],
  ["128.0.0.1", false],
  ["0.0.0.0", false],
  ["::", false],
  ["::2", false],
  ["::ffff:10.0.0.1", false],
  ["fe80::1%eth0", false],
  ["localhost", false],
  ["", false],
])("loopback - %j is on it: %s", (address, on) => {
  expect(isLoopback(address)).toBe(on);
});
