import { createSecureContext, TLSSocket } from "node:tls";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { NativeSink } from "../../src/transport/native-sink.js";
import { NodeSink } from "../../src/transport/node-sink.js";
import { createSinkOpener, nativeSendFault } from "../../src/transport/open-sink.js";
import { descriptorOf } from "../../src/transport/socket-hand-off.js";
import { SocketPair } from "../support/socket-pair.js";
import { until } from "../support/until.js";

let pair: SocketPair;
const counts = { native: () => {}, ordinary: () => {} };

beforeEach(async () => {
  pair = await SocketPair.open();
});
afterEach(() => {
  vi.doUnmock("../../src/shared/koffi.js");
  pair.close();
});

describe("open sink", () => {
  it("open sink - sends past the stream where that is wanted and the socket is plain", async () => {
    expect(await nativeSendFault()).toBeUndefined();
    const native = await createSinkOpener(true, counts);
    const ordinary = await createSinkOpener(false, counts);
    expect(native(pair.near)).toBeInstanceOf(NativeSink);
    expect(ordinary(pair.near)).not.toBeInstanceOf(NativeSink);
  });

  it("open sink - a socket under TLS keeps its stream, though it has a descriptor", async () => {
    const native = await createSinkOpener(true, counts);
    const secure = new TLSSocket(pair.near, { secureContext: createSecureContext() });
    secure.on("error", () => {});
    expect(descriptorOf(secure)).toBeGreaterThanOrEqual(0);
    const sink = native(secure);
    expect(sink).toBeInstanceOf(NodeSink);
    expect(sink).not.toBeInstanceOf(NativeSink);
    secure.destroy();
  });

  it("open sink - a socket that has closed has a stream that takes nothing, and no descriptor", async () => {
    const native = await createSinkOpener(true, counts);
    pair.near.destroy();
    expect(native(pair.near)).not.toBeInstanceOf(NativeSink);
  });

  it("open sink - where libc cannot be called, the reason is told and the stream is left", async () => {
    vi.resetModules();
    vi.doMock("../../src/shared/koffi.js", () => {
      throw new Error("there is no koffi");
    });
    const without = await import("../../src/transport/open-sink.js");
    expect(String((await without.nativeSendFault())?.cause)).toContain("there is no koffi");
    await expect(without.createSinkOpener(true, counts)).rejects.toThrow();
    const ordinary = await without.createSinkOpener(false, counts);
    ordinary(pair.near).write(Buffer.from("a"));
    await until("it has arrived", () => pair.received.toString() === "a");
  });
});
