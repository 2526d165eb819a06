import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { ENCODINGS, type Encoding } from "../../src/contract/encodings.js";
import type { PresenceUpdate } from "../../src/contract/messages.js";
import { type ServerProcess, startServerProcess, testToken } from "../support/server-process.js";
import { TestClient } from "../support/test-client.js";
import { until } from "../support/until.js";

/** Within which presence is exact. */
const EXACT_MS = 2000;

let server: ServerProcess;
const clients: TestClient[] = [];
/** A market of its own for each test, so that none has a part in another's. */
let market = 1000;
let params = { market_id: market };
let presence = { type: "Presence", params };
function nextMarket(): void {
  params = { market_id: ++market };
  presence = { type: "Presence", params };
}
afterEach(() => {
  for (const { ws } of clients.splice(0)) ws.terminate();
});

/** Every user's token allows every private channel. */
async function connect(user?: string, encoding: Encoding = "json"): Promise<TestClient> {
  const query =
    user === undefined ? "" : `?token=${testToken({ sub: user, channels: ["desk-*"] })}`;
  const client = await TestClient.connect(server.port, { encoding, query });
  clients.push(client);
  return client;
}

/** Connects somebody who subscribes. */
async function visit(user: string | undefined, ...channels: readonly unknown[]) {
  const client = await connect(user);
  expect(await client.subscribe(...channels)).toMatchObject({ type: "Subscribed" });
  return client;
}

/** Connects somebody who watches; returns what is told at once as well. */
async function watch(encoding: Encoding = "json", channel: unknown = presence) {
  const client = await connect(undefined, encoding);
  expect(await client.subscribe(channel)).toMatchObject({ data: { channels: [channel] } });
  const { data } = await client.take("PresenceUpdate");
  return { client, data };
}

/** Waits until those who watch are told so many connections and users, for no longer than it may take. */
async function told(
  watchers: readonly TestClient[],
  connections: number,
  users: number,
): Promise<void> {
  const since = performance.now();
  for (const watcher of watchers)
    await watcher.take(
      "PresenceUpdate",
      ({ data }) => data.connections === connections && data.users === users,
    );
  expect(performance.now() - since).toBeLessThan(EXACT_MS);
}

describe("presence", () => {
  beforeAll(async () => {
    server = await startServerProcess({ shards: 2 }, { threadEnds: true });
  });
  beforeEach(nextMarket);
  afterAll(() => server.dispose());

  it("presence - of a market it counts connections and distinct users over all shards, in every encoding", async () => {
    const watchers: TestClient[] = [];
    for (const encoding of ENCODINGS) {
      const { client, data } = await watch(encoding);
      expect(data).toEqual({ ...params, connections: 0, users: 0 });
      watchers.push(client);
    }
    const ana = await visit("ana", { type: "Market", params });
    await visit("ana", { type: "PriceFeed", params: { market_ids: [1030, params.market_id] } });
    await visit("ana", { type: "Trades", params });
    await visit("bo", { type: "Book", params });
    const nobody = await visit(undefined, {
      type: "Candles",
      params: { ...params, interval: "1m" },
    });
    await visit("cy", { type: "Trades" }, { type: "Markets" }, presence);
    await visit("dee", { type: "Market", params: { market_id: 1030 } });
    await told(watchers, 5, 2);

    // Who says who it is counts as a user; what is subscribed twice counts once, and ends once.
    await nobody.request({ type: "Authenticate", data: { token: testToken({ sub: "eve" }) } });
    await ana.subscribe({ type: "Trades", params });
    await told(watchers, 5, 3);
    await ana.request({ type: "Unsubscribe", data: { channels: [{ type: "Trades", params }] } });
    nobody.ws.terminate();
    await told(watchers, 4, 2);
    await ana.request({ type: "Unsubscribe", data: { channels: [{ type: "Market", params }] } });
    await told(watchers, 3, 2);
  });

  it("presence - whom the server has closed is not counted any more, however long its socket stays", async () => {
    const { client } = await watch();
    const query = `?token=${testToken({ sub: "deaf" }, 2)}`;
    const deaf = await TestClient.connect(server.port, { query });
    clients.push(deaf);
    await deaf.subscribe({ type: "Trades", params });
    // It will not hear that its token has expired, so its socket stays until that is cut.
    deaf.ws.pause();
    await client.take("PresenceUpdate", ({ data }) => data.connections === 1);
    await client.take("PresenceUpdate", ({ data }) => data.connections === 0);
    expect(await server.metric('marketcast_connections_closed_total{code="4500"}')).toBe(0);
  });

  it("presence - it comes at once to a further one, once a second at most, and no more once it is ended", async () => {
    const { client } = await watch();
    const times: number[] = [];
    let latest: PresenceUpdate | undefined;
    client.ws.on("message", (text) => {
      const { type, data } = JSON.parse(String(text));
      if (type !== "PresenceUpdate") return;
      times.push(performance.now());
      latest = data;
    });
    for (let visitor = 1; visitor <= 8; visitor++) {
      await visit(`user-${visitor}`, { type: "Trades", params });
      // Every second one comes right behind an update, so before the next one may.
      if (visitor % 2 === 0) await until("all are told", () => latest?.connections === visitor);
    }
    const gaps = times.slice(1).map((time, index) => time - (times[index] as number));
    expect(Math.min(...gaps)).toBeGreaterThan(900);
    expect(times.length).toBeGreaterThanOrEqual(4);
    // However many watch it here already, a newcomer gets what they were told last.
    for (const encoding of ENCODINGS)
      expect((await watch(encoding)).data).toEqual({ ...params, connections: 8, users: 8 });

    await client.request({ type: "Unsubscribe", data: { channels: [presence] } });
    client.inbox.length = 0;
    const { client: other } = await watch();
    await visit(undefined, { type: "Trades", params });
    await told([other], 9, 8);
    expect(client.inbox.filter(({ type }) => type === "PresenceUpdate")).toEqual([]);
    expect(await server.metric('marketcast_subscriptions{channel="Presence"}')).toBe(4);
  });

  it("presence - of a private channel it says who is there, who came and who went, in every encoding", async () => {
    const name = `desk-${market}`;
    const channel = { type: "Private", params: { channel: name } };
    const ana = await visit("ana", channel);
    await visit("ana", channel);
    const watchers: TestClient[] = [];
    for (const encoding of ENCODINGS) {
      const client = await connect("watcher", encoding);
      await client.subscribe({ type: "Presence", params: { channel: name } });
      const { data } = await client.take("PresenceUpdate");
      expect(data).toMatchObject({ channel: name, connections: 2, users: 1, members: ["ana"] });
      watchers.push(client);
    }
    const bo = await visit("bo", channel);
    for (const watcher of watchers) {
      const { data } = await watcher.take("PresenceUpdate");
      expect(data).toMatchObject({ channel: name, connections: 3, users: 2, joined: ["bo"] });
      expect(data).not.toHaveProperty("members");
    }
    ana.ws.terminate();
    bo.ws.terminate();
    await visit("cy", channel);
    const joined = new Set<string>(["ana", "bo"]);
    const [watcher] = watchers as [TestClient];
    for (let last: PresenceUpdate | undefined; last?.connections !== 2 || last.users !== 2; ) {
      last = (await watcher.take("PresenceUpdate")).data;
      for (const user of last.left ?? []) joined.delete(user);
      for (const user of last.joined ?? []) joined.add(user);
    }
    expect([...joined].sort()).toEqual(["ana", "cy"]);
    const { client: market7 } = await watch();
    await visit("bo", channel);
    await told([watcher], 3, 3);
    expect(market7.inbox).toEqual([]);
  });

  it("presence - of a private channel it needs the claim for it, and ends with that", async () => {
    const name = `desk-${market}`;
    const subscribe = { type: "Presence", params: { channel: name } };
    const nobody = await connect();
    expect((await nobody.subscribe(subscribe)).data).toMatchObject({ code: "AUTH_REQUIRED" });
    const authenticate = (client: TestClient, channels: readonly string[]) =>
      client.request({
        type: "Authenticate",
        data: { token: testToken({ sub: "ana", wallet: undefined, channels }) },
      });
    await authenticate(nobody, ["other-*"]);
    expect((await nobody.subscribe(subscribe)).data).toMatchObject({
      code: "FORBIDDEN",
      message: `Presence: the token's claim channels does not allow ${name}`,
    });
    await authenticate(nobody, [name]);
    expect(await nobody.subscribe(subscribe, presence)).toMatchObject({ type: "Subscribed" });
    await nobody.take("PresenceUpdate", ({ data }) => data.channel === name);
    await authenticate(nobody, []);
    const { data } = await nobody.take("Error");
    expect(data).toMatchObject({ code: "FORBIDDEN", message: expect.stringContaining("ended") });
    await visit("bo", { type: "Private", params: { channel: name } }, { type: "Book", params });
    await nobody.take("PresenceUpdate", ({ data: { connections } }) => connections === 1);
    expect(nobody.inbox.filter(({ type }) => type === "PresenceUpdate")).toEqual([]);
  });

  it("presence - what a shard has counted goes with it, and comes back with its clients", async () => {
    const watchers = await Promise.all([1, 2, 3, 4].map(() => watch()));
    const visitors: TestClient[] = [];
    for (let n = 0; n < 12; n++)
      visitors.push(await visit(`user-${n % 3}`, { type: "Book", params }));
    await told(
      watchers.map(({ client }) => client),
      12,
      3,
    );
    const gone = new Set<TestClient>();
    for (const client of [...visitors, ...watchers.map(({ client }) => client)])
      void client.closed.then(() => gone.add(client));
    server.command({ restartShard: 0 });
    await until("the shard is gone", () => gone.size === 8);
    const left = visitors.flatMap((visitor, n) => (gone.has(visitor) ? [] : [n % 3]));
    const stay = watchers.map(({ client }) => client).filter((client) => !gone.has(client));
    expect(left.length).toBeGreaterThan(0);
    expect(stay.length).toBeGreaterThan(0);
    await told(stay, left.length, new Set(left).size);
    for (let n = left.length; n < 12; n++) await visit("user-9", { type: "Book", params });
    const users = new Set(left).size + 1;
    await told(stay, 12, users);
    expect((await watch()).data).toEqual({ ...params, connections: 12, users });
  });

  it("presence - a producer that dies changes no count: shards tell the next one all they have", async () => {
    const watchers = (await Promise.all(ENCODINGS.map((encoding) => watch(encoding)))).map(
      ({ client }) => client,
    );
    const channel = { channel: `desk-${market}` };
    for (let n = 0; n < 9; n++)
      await visit(
        `user-${n % 4}`,
        { type: "Book", params },
        { type: "Market", params },
        { type: "Private", params: channel },
      );
    await told(watchers, 9, 4);
    const member = await connect("member");
    await member.subscribe({ type: "Presence", params: channel });
    const { members } = (await member.take("PresenceUpdate")).data;
    expect([...(members ?? [])].sort()).toEqual(["user-0", "user-1", "user-2", "user-3"]);
    server.command({ restartProducer: true });
    for (const watcher of watchers) await watcher.take("EpochChanged");
    await visit("user-1", { type: "Trades", params });
    for (const watcher of watchers) {
      const { data } = await watcher.take("PresenceUpdate");
      expect(data).toEqual({ ...params, connections: 10, users: 4 });
    }
    await visit("new", { type: "Private", params: channel });
    const { data } = await member.take("PresenceUpdate");
    expect(data).toMatchObject({ ...channel, connections: 10, users: 5, joined: ["new"] });
    expect(data).not.toHaveProperty("members");
  });
});

describe("presence bounds", () => {
  beforeAll(async () => {
    server = await startServerProcess({
      shards: 1,
      "max-presence-keys": 2,
      "max-presence-users": 3,
    });
  });
  beforeEach(nextMarket);
  afterAll(() => server.dispose());

  it("presence - what cannot be watched is refused by name", async () => {
    const client = await connect();
    const ask = async (asked: unknown) =>
      (await client.subscribe({ type: "Presence", params: asked })).data;
    for (const neither of [{}, { ...params, channel: "a" }, { market_id: null }])
      expect(await ask(neither)).toMatchObject({
        code: "INVALID_MESSAGE",
        message: expect.stringContaining("either a market_id or a channel"),
      });
    expect(await ask({ channel: "no spaces" })).toMatchObject({
      code: "INVALID_MESSAGE",
      message: expect.stringContaining("1 to 128 of A-Z"),
    });
    expect(await ask({ market_id: 9 })).toMatchObject({
      code: "MARKET_NOT_FOUND",
      message: "no market has the id 9",
    });
    expect(await ask(params)).toMatchObject({ channels: [presence] });
    expect(await ask({ market_id: 1030 })).toMatchObject({
      code: "TOO_MANY_SUBSCRIPTIONS",
      message: expect.stringContaining("of 2 markets and private channels"),
    });
    expect(await ask({ market_id: `${market}` })).toMatchObject({ channels: [presence] });
    const since = { ...presence, since: 1 };
    expect((await client.subscribe(since)).data).toEqual({
      channels: [{ ...since, recovered: true }],
    });
    expect(await server.metric('marketcast_shard_presence_keys{shard="0"}')).toBe(1);
    expect(await server.metric("marketcast_presence_keys")).toBe(1);
  });

  it("presence - more users than are told apart are so many", async () => {
    const { client } = await watch();
    for (let n = 0; n < 5; n++) await visit(`user-${n}`, { type: "Book", params });
    await told([client], 5, 3);
    expect(await server.metric("marketcast_presence_users")).toBe(3);
    expect(await server.metric("marketcast_presence_keys_over")).toBe(1);
    for (const visitor of clients.slice(1, 5)) visitor.ws.terminate();
    await told([client], 1, 1);
    expect(await server.metric("marketcast_presence_keys_over")).toBe(0);
  });
});
