import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { CoreClient } from "../../src/client/core-client.js";
import type { ClientOptions } from "../../src/client/options.js";
import { acceptance, FakeServer, refusal } from "../support/fake-server.js";
import { testToken } from "../support/server-process.js";

beforeEach(() => {
  vi.useFakeTimers({
    toFake: ["setTimeout", "clearTimeout", "setInterval", "clearInterval", "performance", "Date"],
  });
});
afterEach(() => {
  vi.useRealTimers();
});

/** A token function whose answers wait to be told. */
function slowTokens(): {
  readonly source: () => Promise<string>;
  readonly asked: { resolve(token: string): void; reject(error: Error): void }[];
} {
  const asked: { resolve(token: string): void; reject(error: Error): void }[] = [];
  const source = (): Promise<string> =>
    new Promise((resolve, reject) => asked.push({ resolve, reject }));
  return { source, asked };
}

const pass = async (ms: number): Promise<void> => void (await vi.advanceTimersByTimeAsync(ms));

interface World {
  readonly server: FakeServer;
  readonly client: CoreClient;
  readonly errors: unknown[];
}

function connect(server: FakeServer, token?: ClientOptions["token"]): World {
  const quiet = { pingIntervalMs: 0, silenceTimeoutMs: 0, reconnectIntervalMs: 5 };
  const given = token === undefined ? {} : { token };
  // The fake greets nobody by a token: that is the same to the client.
  const client = new CoreClient(
    { url: "ws://x", tokenRefreshMarginMs: 1000, ...quiet, ...given },
    server.platform,
  );
  const errors: unknown[] = [];
  client.on("error", (error) => errors.push(error));
  return { server, client, errors };
}

/** The fake says who somebody is right behind `Connected`, as the real one does. */
function greet(server: FakeServer): void {
  server.connection?.tell({ type: "Authenticated", data: { user_id: "u", wallet: null } });
}

const tokensOf = (server: FakeServer): string[] =>
  server.connections.flatMap(({ received }) =>
    received.flatMap((message) => (message.type === "Authenticate" ? [message.data.token] : [])),
  );

async function close({ client }: World): Promise<void> {
  const closing = client.close();
  await pass(3000);
  await closing;
}

describe("token-renewal", () => {
  it.each(["fails", "succeeds"] as const)(
    "token-renewal - one that is under way at close, and then %s, reports nothing",
    async (outcome) => {
      const { source, asked } = slowTokens();
      const world = connect(new FakeServer(acceptance), source);
      asked[0]?.resolve(testToken({}, 5));
      await pass(2);
      greet(world.server);
      await pass(4500);
      expect(asked.length).toBe(2);
      await close(world);
      if (outcome === "fails") asked[1]?.reject(new Error("too late"));
      else asked[1]?.resolve(testToken({}, 60));
      await pass(100_000);
      expect(world.errors).toEqual([]);
      expect(asked.length).toBe(2);
    },
  );

  it("token-renewal - one whose answer is out at close reports nothing", async () => {
    const server = new FakeServer((message) =>
      message.type === "Authenticate" ? undefined : acceptance(message),
    );
    const world = connect(server, () => testToken({}, 5));
    await pass(2);
    greet(server);
    await pass(4500);
    expect(tokensOf(server).length).toBe(1);
    await close(world);
    await pass(100_000);
    expect(world.errors).toEqual([]);
  });

  it("token-renewal - one of a lost connection leaves the next one alone", async () => {
    const { source, asked } = slowTokens();
    const world = connect(new FakeServer(acceptance), source);
    asked[0]?.resolve(testToken({}, 5));
    await pass(2);
    greet(world.server);
    await pass(4500);
    world.server.connection?.end(1012);
    await pass(10);
    expect(asked.length).toBe(3);
    asked[2]?.resolve(testToken({}, 60));
    await pass(2);
    greet(world.server);
    await pass(2);
    expect(world.client.state.status).toBe("open");
    asked[1]?.reject(new Error("too late"));
    await pass(10);
    expect(world.errors).toEqual([]);
    expect(tokensOf(world.server)).toEqual([]);
    await close(world);
  });

  it("token-renewal - one that is limited is asked again", async () => {
    let refusals = 0;
    const server = new FakeServer((message) =>
      message.type === "Authenticate" && refusals++ < 1
        ? refusal(message, "RATE_LIMITED")
        : acceptance(message),
    );
    const world = connect(server, () => testToken({}, refusals === 0 ? 20 : 600));
    await pass(2);
    greet(server);
    await pass(30_000);
    expect(tokensOf(server).length).toBe(2);
    expect(world.errors).toEqual([]);
    await close(world);
  });

  it("token-renewal - an authenticate that was given up and took effect is made undone", async () => {
    const server = new FakeServer(acceptance);
    const world = connect(server, "mine");
    await pass(2);
    greet(server);
    server.prompt = false;
    const authenticating = world.client.authenticate("other", { timeoutMs: 100 });
    await Promise.all([
      expect(authenticating).rejects.toMatchObject({ code: "REQUEST_TIMEOUT", sent: true }),
      pass(200),
    ]);
    server.prompt = true;
    server.connection?.deliver();
    await pass(10);
    expect(tokensOf(server)).toEqual(["other", "mine"]);
    expect(world.client.state).toMatchObject({ userId: "mine" });
    await close(world);
  });

  it("token-renewal - an authenticate repeated after it was given up holds", async () => {
    const server = new FakeServer(acceptance);
    const world = connect(server, "mine");
    await pass(2);
    greet(server);
    server.prompt = false;
    const controller = new AbortController();
    const first = world.client.authenticate("first", { signal: controller.signal });
    first.catch(() => {});
    await pass(0);
    controller.abort();
    const second = world.client.authenticate("second");
    await pass(0);
    server.connection?.deliver();
    server.connection?.deliver();
    await second;
    server.prompt = true;
    await pass(100);
    expect(tokensOf(server)).toEqual(["first", "second"]);
    expect(world.client.state).toMatchObject({ userId: "second" });
    await close(world);
  });

  it("token-renewal - a renewal that comes between gives way to the program's token", async () => {
    const { source, asked } = slowTokens();
    const server = new FakeServer(acceptance);
    const world = connect(server, source);
    asked[0]?.resolve(testToken({}, 5));
    await pass(2);
    greet(server);
    await pass(4500);
    expect(asked.length).toBe(2);
    server.prompt = false;
    const authenticating = world.client.authenticate("program's");
    await pass(0);
    asked[1]?.resolve("renewed");
    await pass(0);
    server.connection?.deliver();
    await authenticating;
    await pass(10_000);
    expect(tokensOf(server)).toEqual(["program's"]);
    expect(world.errors).toEqual([]);
    await close(world);
  });
});
