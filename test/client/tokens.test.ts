import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { WebSocket } from "ws";
import { MarketcastClient as BrowserClient } from "../../src/client/browser.js";
import type { TokenError } from "../../src/client/errors.js";
import type { MarketcastClient } from "../../src/client/node.js";
import type { ClientOptions } from "../../src/client/options.js";
import { closeClients, collect, newClient, nextEvent } from "../support/client-harness.js";
import { FrameProxy } from "../support/frame-proxy.js";
import { type ServerProcess, startServerProcess, testToken } from "../support/server-process.js";

let server: ServerProcess;
let proxy: FrameProxy;
beforeAll(async () => {
  server = await startServerProcess({ feed: "synthetic", shards: 1 });
  proxy = await FrameProxy.start(server.port);
  // ws has the interface of a browser's WebSocket, which Node 20 lacks.
  Object.assign(globalThis, { WebSocket });
});
beforeEach(() => {
  proxy.rules = {};
  proxy.requests.length = 0;
  proxy.upgrades.length = 0;
});
afterEach(closeClients);
afterAll(() => Promise.all([proxy.close(), server.dispose()]));

/** A client of either platform. */
function connectAs(
  platform: "node" | "browser",
  options: Pick<ClientOptions, "token" | "tokenRefreshMarginMs">,
): MarketcastClient {
  return newClient(proxy.url, options, platform === "node" ? undefined : BrowserClient);
}

describe.each(["node", "browser"] as const)("tokens, %s", (platform) => {
  it(`tokens - open means authenticated, in ${platform}`, async () => {
    const client = connectAs(platform, { token: testToken() });
    expect(await client.ready()).toMatchObject({ userId: "user-1", wallet: "wallet-1" });
    const authenticated = proxy.requests.filter(({ type }) => type === "Authenticate").length;
    const inHeader = proxy.upgrades.filter((head) => /\nauthorization: bearer /i.test(head)).length;
    expect([authenticated, inHeader]).toEqual(platform === "node" ? [0, 1] : [1, 0]);
    // Never in the URL, which proxies log.
    expect(proxy.upgrades[0]).not.toMatch(/token=/);
  });

  it(`tokens - a function is asked at every connect, in ${platform}`, async () => {
    let asked = 0;
    const client = connectAs(platform, {
      token: async () => {
        asked++;
        return testToken();
      },
    });
    await client.ready();
    const back = nextEvent(client, "state", ({ status }) => status === "open");
    proxy.cut();
    expect(await back).toMatchObject({ userId: "user-1" });
    expect(asked).toBe(2);
  });

  it(`tokens - one that is refused closes the client, in ${platform}`, async () => {
    const client = connectAs(platform, { token: testToken({}, -10) });
    const state = await nextEvent(client, "state");
    expect(state).toMatchObject({
      status: "closed",
      code: 1006,
      cause: platform === "node" ? { status: 401 } : { code: "AUTH_FAILED" },
    });
  });

  it(`tokens - a function gets a second chance, and no third, in ${platform}`, async () => {
    const tokens = [testToken({}, -10), testToken()];
    const client = connectAs(platform, { token: () => tokens.shift() ?? "" });
    await client.ready();

    let asked = 0;
    const hopeless = connectAs(platform, {
      token: () => {
        asked++;
        return testToken({}, -10);
      },
    });
    await nextEvent(hopeless, "state", ({ status }) => status === "closed");
    expect(asked).toBe(2);
  });

  it(`tokens - a fresh one is sent before the old one expires, in ${platform}`, async () => {
    const lives = [3, 3600];
    const client = connectAs(platform, {
      token: () => testToken({}, lives.shift() ?? 3600),
      tokenRefreshMarginMs: 1500,
    });
    const states = collect(client, "state");
    await client.ready();
    const renewed = nextEvent(client, "Authenticated");
    await renewed;
    await client.ping();
    expect(states.map(({ status }) => status)).toEqual(["open"]);
    expect(lives).toEqual([]);
  });

  it(`tokens - a string that expires closes the client with 4500, in ${platform}`, async () => {
    const client = connectAs(platform, { token: testToken({}, 2) });
    const closed = await nextEvent(client, "state", ({ status }) => status === "closed");
    expect(closed).toMatchObject({ code: 4500, cause: { closeCode: 4500 } });
  });

  it(`tokens - after 4500 a function's next token opens the connection, in ${platform}`, async () => {
    const tokens = [testToken({}, 2), testToken()];
    // The refreshes fail, so that the server is the one to end it.
    const client = connectAs(platform, {
      token: () => {
        const expired = client?.state.status === "open";
        if (expired) throw new Error("the key is in the other coat");
        return tokens.shift() ?? "";
      },
    });
    const errors = collect(client, "error");
    await client.subscribe([{ type: "Trades" }]);
    const lost = nextEvent(client, "state", ({ status }) => status === "reconnecting");
    const back = nextEvent(client, "resubscribed");
    expect(await lost).toMatchObject({ cause: { closeCode: 4500 } });
    expect((await back).channels).toEqual([{ type: "Trades", params: null }]);
    expect(errors.length).toBeGreaterThan(0);
    expect(errors[0]?.code).toBe("TOKEN_UNAVAILABLE");
    expect(((errors[0] as TokenError).cause as Error).message).toMatch(/other coat/);
  });

  it(`tokens - a function that throws at a connect is asked again, in ${platform}`, async () => {
    let asked = 0;
    const client = connectAs(platform, {
      token: () => {
        if (++asked < 3) throw new Error("not yet");
        return testToken();
      },
    });
    const states = collect(client, "state");
    await client.ready();
    expect(states).toMatchObject([
      { status: "reconnecting", cause: { code: "TOKEN_UNAVAILABLE" } },
      { status: "reconnecting", cause: { code: "TOKEN_UNAVAILABLE" } },
      { status: "open" },
    ]);
  });

  it(`tokens - authenticate gives an anonymous connection an identity that stays, in ${platform}`, async () => {
    const client = connectAs(platform, {});
    expect(await client.ready()).toMatchObject({ userId: undefined, wallet: undefined });
    const token = testToken();
    const identity = { user_id: "user-1", wallet: "wallet-1", resumed: false };
    expect(await client.authenticate(token)).toMatchObject(identity);
    expect(client.state).toMatchObject({ status: "open", wallet: "wallet-1" });

    await expect(client.authenticate(testToken({ wallet: "other" }))).rejects.toMatchObject({
      code: "FORBIDDEN",
    });
    const back = nextEvent(client, "state", ({ status }) => status === "open");
    proxy.cut();
    expect(await back).toMatchObject({ userId: "user-1", wallet: "wallet-1" });
  });
});

describe("tokens", () => {
  it("tokens - a function that never answers does not hold up the client for good", async () => {
    const client = newClient(proxy.url, {
      token: () => new Promise<string>(() => {}),
      connectTimeoutMs: 50,
    });
    const state = await nextEvent(client, "state");
    expect(state).toMatchObject({
      status: "reconnecting",
      cause: { code: "DISCONNECTED", message: "no connection within 50 ms" },
    });
  });
});
