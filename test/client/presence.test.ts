import { afterEach, beforeEach, expect, it, vi } from "vitest";
import { CoreClient } from "../../src/client/core-client.js";
import { ServerError } from "../../src/client/errors.js";
import type { PresenceState } from "../../src/client/presence.js";
import type { ClientMessage, PresenceUpdate } from "../../src/contract/messages.js";
import { acceptance, FakeServer } from "../support/fake-server.js";

let server: FakeServer;
let client: CoreClient;
let asked: string[];
let refusing: boolean;
beforeEach(() => {
  asked = [];
  refusing = false;
  server = new FakeServer((message) => {
    if (message.type !== "Subscribe" && message.type !== "Unsubscribe") return acceptance(message);
    for (const { type, params } of message.data.channels)
      asked.push(`${message.type} ${type} ${JSON.stringify(params)}`);
    if (!refusing) return acceptance(message);
    const data = { code: "FORBIDDEN", message: "no" } as const;
    return { type: "Error", data, ...({ id: message.id } as Pick<ClientMessage, "id">) } as never;
  });
  client = new CoreClient(
    { url: "ws://x", pingIntervalMs: 0, reconnectIntervalMs: 5 },
    server.platform,
  );
});
afterEach(() => client.close());

const tell = (data: PresenceUpdate): void =>
  server.connections.at(-1)?.tell({ type: "PresenceUpdate", data });

/** A listener, and what it was told, with members in their order. */
function listening() {
  const told: unknown[] = [];
  const listener = ({ connections, users, members }: PresenceState): void => {
    told.push([connections, users, members && [...members].sort().join(" ")]);
  };
  return { told, listener };
}

it("presence - a listener is told what the messages come to, of what it asked for", async () => {
  const desk = listening();
  const market = listening();
  await client.channel("desk").presence(desk.listener);
  await client.presence({ market_id: "7" }, market.listener);
  expect(asked).toEqual([
    'Subscribe Presence {"channel":"desk"}',
    'Subscribe Presence {"market_id":7}',
  ]);
  const channel = "desk";
  tell({ channel, connections: 2, users: 2, joined: [], left: [], members: ["ana", "bo"] });
  tell({ market_id: 7, connections: 5, users: 1 });
  tell({ channel, connections: 3, users: 2, joined: ["cy"], left: ["bo"] });
  tell({ channel: "other", connections: 9, users: 9, members: [] });
  tell({ market_id: 8, connections: 9, users: 9 });
  // Protocol Buffers leave lists out that have none.
  tell({ channel, connections: 4, users: 2 });
  tell({ channel, connections: 1, users: 1, members: ["eve"] });
  tell({ channel, connections: 0, users: 0 });
  expect(desk.told).toEqual([
    [2, 2, "ana bo"],
    [3, 2, "ana cy"],
    [4, 2, "ana cy"],
    [1, 1, "eve"],
    [0, 0, ""],
  ]);
  expect(market.told).toEqual([[5, 1, undefined]]);
});

it("presence - listeners of one thing share its subscription, which ends with the last", async () => {
  const { told, listener } = listening();
  const stop = await client.presence({ market_id: 7 }, listener);
  tell({ market_id: 7, connections: 1, users: 0 });
  const again = await client.presence({ market_id: 7 }, listener);
  expect(told).toEqual([
    [1, 0, undefined],
    [1, 0, undefined],
  ]);
  stop();
  stop();
  tell({ market_id: 7, connections: 2, users: 0 });
  expect(told.length).toBe(3);
  expect(asked).toEqual(['Subscribe Presence {"market_id":7}']);
  again();
  tell({ market_id: 7, connections: 3, users: 0 });
  await vi.waitFor(() => expect(asked[1]).toBe('Unsubscribe Presence {"market_id":7}'));
  expect(told.length).toBe(3);
  expect(client.subscriptions).toEqual([]);
});

it("presence - what the server refuses rejects, and leaves nothing behind", async () => {
  refusing = true;
  const { told, listener } = listening();
  await expect(client.channel("desk").presence(listener)).rejects.toBeInstanceOf(ServerError);
  tell({ channel: "desk", connections: 1, users: 1, members: ["ana"] });
  expect(told).toEqual([]);
  refusing = false;
  await client.channel("desk").presence(listener);
  tell({ channel: "desk", connections: 1, users: 1, members: ["ana"] });
  expect(told).toEqual([[1, 1, "ana"]]);
});

it("presence - it is subscribed again on another connection, and begins anew there", async () => {
  const { told, listener } = listening();
  await client.channel("desk").presence(listener);
  tell({ channel: "desk", connections: 1, users: 1, members: ["ana"] });
  server.connections.at(-1)?.end(1006);
  await vi.waitFor(() => expect(asked.length).toBe(2));
  tell({ channel: "desk", connections: 1, users: 1, members: ["bo"] });
  expect(told).toEqual([
    [1, 1, "ana"],
    [1, 1, "bo"],
  ]);
});
