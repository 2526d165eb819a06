import { afterEach, beforeEach, expect, test, vi } from "vitest";

const info = vi.fn();

beforeEach(() => {
  vi.resetModules();
  info.mockClear();
});
afterEach(() => {
  vi.doUnmock("../../src/shared/koffi.js");
});

test("native send - where it can be done it is, if it is wanted, and the log is told nothing", async () => {
  const { sendsNatively } = await import("../../src/main/native-send.js");
  expect(await sendsNatively(true, { info })).toBe(true);
  expect(await sendsNatively(false, { info })).toBe(false);
  expect(info).not.toHaveBeenCalled();
});

test("native send - without koffi it is not, and the log is told once, if it was wanted", async () => {
  vi.doMock("../../src/shared/koffi.js", () => {
    throw new Error("there is no koffi");
  });
  const { sendsNatively } = await import("../../src/main/native-send.js");
  expect(await sendsNatively(false, { info })).toBe(false);
  expect(info).not.toHaveBeenCalled();
  expect(await sendsNatively(true, { info })).toBe(false);
  expect(info).toHaveBeenCalledExactlyOnceWith(
    { reason: expect.any(String) },
    "everything is sent through Node's streams",
  );
});
