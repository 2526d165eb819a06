import { once } from "node:events";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { afterAll, afterEach, beforeAll, describe, expect, it } from "vitest";
import { WebSocket } from "ws";
import { MarketcastClient } from "../../src/client/browser.js";
import type { ClientOptions } from "../../src/client/options.js";
import { ENCODINGS } from "../../src/contract/encodings.js";
import { closeClients, collect, newClient, nextEvent } from "../support/client-harness.js";
import { FrameProxy } from "../support/frame-proxy.js";
import { type ServerProcess, startServerProcess } from "../support/server-process.js";

/** Node 20 lacks a browser's WebSocket; that of ws has its interface, but throws errors nobody hears. */
class BrowserWebSocket extends WebSocket {
  constructor(url: string, subprotocol: string) {
    super(url, subprotocol);
    this.on("error", () => {});
  }
}

let server: ServerProcess;
let proxy: FrameProxy;
beforeAll(async () => {
  server = await startServerProcess({ feed: "synthetic", shards: 1, "feed-rate": 2000 });
  proxy = await FrameProxy.start(server.port);
  Object.assign(globalThis, { WebSocket: BrowserWebSocket });
});
afterEach(closeClients);
afterAll(() => Promise.all([proxy.close(), server.dispose()]));

const browserClient = (url: string, options: Partial<ClientOptions> = {}): MarketcastClient =>
  newClient(url, options, MarketcastClient);

describe("browser-platform", () => {
  it.each(ENCODINGS)(
    "browser-platform - subscribes, receives and comes back, in %s",
    async (encoding) => {
      const client = browserClient(proxy.url, { encoding });
      const errors = collect(client, "error");
      await client.subscribe([
        { type: "Markets" },
        { type: "PriceFeed", params: { market_ids: [1001] } },
      ]);
      const { market_id, ts } = await nextEvent(client, "PriceUpdate");
      expect(market_id).toBe(1001);
      expect(Number.isSafeInteger(ts)).toBe(true);
      const back = nextEvent(client, "resubscribed");
      proxy.cut();
      await back;
      expect(client.markets.size).toBe(50);
      expect(await client.ping()).toBeGreaterThan(0);
      expect(errors).toEqual([]);
    },
  );

  it("browser-platform - a refused upgrade is no more than a connection that failed", async () => {
    const refusing = createServer((_, response) => response.writeHead(403).end());
    refusing.listen(0, "127.0.0.1");
    await once(refusing, "listening");
    const { port } = refusing.address() as AddressInfo;
    const client = browserClient(`ws://127.0.0.1:${port}`);
    const second = await nextEvent(
      client,
      "state",
      (state) => state.status === "reconnecting" && state.attempt === 2,
    );
    expect(second).toMatchObject({ cause: { code: "DISCONNECTED", closeCode: 1006 } });
    await client.close();
    refusing.close();
    refusing.closeAllConnections();
    await once(refusing, "close");
  });

  it("browser-platform - a WebSocket that cannot even be made is an attempt that failed", async () => {
    const made = globalThis.WebSocket;
    const refused = class {
      constructor() {
        throw new Error("insecure");
      }
    };
    Object.assign(globalThis, { WebSocket: refused });
    try {
      const client = browserClient(proxy.url);
      const state = await nextEvent(client, "state");
      expect(state).toMatchObject({
        status: "reconnecting",
        cause: { code: "DISCONNECTED", cause: { message: "insecure" } },
      });
    } finally {
      Object.assign(globalThis, { WebSocket: made });
    }
  });

  it.each(["browser", "node"] as const)(
    "browser-platform - close is through although the server does not answer, in %s",
    async (platform) => {
      const client = platform === "browser" ? browserClient(proxy.url) : newClient(proxy.url);
      await client.ready();
      proxy.frozen = true;
      try {
        await client.close();
        expect(client.state).toMatchObject({ status: "closed", code: 1000 });
      } finally {
        proxy.frozen = false;
      }
    },
  );
});
