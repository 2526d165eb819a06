import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { marketIdsOf } from "../../../../src/contract/channel-kinds.js";
import type { Channel } from "../../../../src/contract/messages.js";
import type { PresenceKey } from "../../../../src/presence/presence-messages.js";
import { Random } from "../../../../src/shared/random.js";
import { type Client, ShardWorld } from "../../../support/shard-world.js";

const SEEDS = Array.from({ length: 6 }, () => Math.floor(Math.random() * 2 ** 32));
const STEPS = 400;
const MARKETS = [1, 2, 3];
const USERS = [undefined, undefined, "ana", "bo", "cy"];

function channelsOf(random: Random): Channel[] {
  const market_id = MARKETS[random.below(3)] as number;
  const all: Channel[] = [
    { type: "Market", params: { market_id } },
    { type: "PriceFeed", params: { market_ids: [market_id, 1] } },
    { type: "Trades", params: { market_id } },
    { type: "Trades" },
    { type: "Candles", params: { market_id, interval: "1m" } },
    { type: "Markets" },
    { type: "Heartbeat" },
  ];
  return [all[random.below(all.length)] as Channel, all[random.below(all.length)] as Channel];
}

/** What a hub knows of a shard that it has told everything. */
class Heard {
  readonly #keys = new Map<PresenceKey, { connections: number; users: Set<string> }>();

  /** Takes what the shard has told. */
  take(world: ShardWorld): void {
    for (const request of world.toHub.splice(0)) {
      if (request.type !== "presence") continue;
      for (const { key, anew, connections, joined, left } of request.shares) {
        const known = this.#keys.get(key);
        const users = anew === true ? new Set<string>() : (known?.users ?? new Set<string>());
        for (const user of left) expect(users.delete(user)).toBe(true);
        for (const user of joined) users.add(user);
        this.#keys.set(key, { connections, users });
      }
    }
  }

  of(key: PresenceKey): unknown {
    const { connections, users } = this.#keys.get(key) ?? { connections: -1, users: [] };
    return [connections, [...users].sort()];
  }
}

beforeEach(() => {
  vi.useFakeTimers();
});
afterEach(() => {
  vi.useRealTimers();
});

describe("shard presence", () => {
  it("shard presence - whoever has something watched first is charged for the look at all connections", () => {
    const world = new ShardWorld();
    world.list(1);
    world.flush();
    world.round();
    const clients = Array.from({ length: 5 }, () => world.connect(0));
    const [one, other] = clients as [Client, Client];
    const watching = (market_id: number) => ({ type: "Presence", params: { market_id } }) as const;
    expect(world.presence.beginningBytes([watching(1), watching(2)])).toBe(2 * 5 * 8);
    const used = (client: Client) => client.connection.usage.at(performance.now());
    const before = used(one);
    world.subscribe(one, watching(1));
    const charged = used(one) - before;
    world.subscribe(other, watching(1));
    expect(charged - used(other)).toBe(5 * 8);
    expect(world.presence.beginningBytes([watching(1)])).toBe(0);
    world.presence.stop();
  });

  it.each(SEEDS)(
    "shard presence - seed %i: the hub is told who is subscribed to a market, whatever clients do and epochs come",
    (seed) => {
      const random = new Random(seed);
      const world = new ShardWorld();
      for (const id of MARKETS) world.list(id);
      world.flush();
      world.round();
      const heard = new Heard();
      const counted = new Set<PresenceKey>();
      const wanted = new Map<Client, Channel[]>();
      const clients = () => [...wanted.keys()];
      const identity = (userId: string) => ({
        userId,
        wallet: null,
        role: undefined,
        expiresAt: Number.POSITIVE_INFINITY,
        channels: [],
        publish: [],
      });
      const there = (key: PresenceKey): unknown => {
        const id = Number(key.split(" ")[1]);
        const all = clients().filter((one) =>
          wanted.get(one)?.some((channel) => marketIdsOf(channel).includes(id)),
        );
        const users = new Set(all.flatMap(({ connection }) => connection.userId ?? []));
        return [all.length, [...users].sort()];
      };
      for (let step = 0; step < STEPS; step++) {
        const client = clients()[random.below(wanted.size || 1)];
        const key: PresenceKey = `market ${MARKETS[random.below(3)]}`;
        switch (random.below(8)) {
          case 0: {
            const one = world.connect(random.below(3));
            const user = USERS[random.below(USERS.length)];
            if (user !== undefined) one.connection.identity = identity(user);
            wanted.set(one, []);
            break;
          }
          case 1:
          case 2: {
            if (client === undefined) break;
            const channels = channelsOf(random);
            world.subscribe(client, ...channels);
            wanted.get(client)?.push(...channels);
            break;
          }
          case 3: {
            const channels = client === undefined ? [] : (wanted.get(client) ?? []);
            if (client === undefined || channels.length === 0) break;
            // Channels that overlap end together: all of them, so that none is left.
            world.unsubscribe(client, ...channels);
            channels.length = 0;
            break;
          }
          case 4: {
            if (client === undefined || random.below(2) > 0) break;
            world.disconnect(client);
            wanted.delete(client);
            break;
          }
          case 5: {
            if (client === undefined || client.connection.identity !== undefined) break;
            world.presence.identify(client.connection, identity("dee"));
            break;
          }
          case 6:
            if (counted.delete(key)) world.presence.take({ type: "presence-ignore", key });
            else {
              counted.add(key);
              world.presence.take({ type: "presence-count", key });
            }
            break;
          default:
            if (random.below(10) > 0) break;
            world.restartProducer(() => {
              for (const id of MARKETS) world.list(id);
            });
            // The hub is another one, which asks for nothing yet.
            world.presence.lost();
            counted.clear();
        }
        if (step % 10 > 0) continue;
        world.settle();
        vi.advanceTimersByTime(1300);
        heard.take(world);
        for (const one of counted) expect(heard.of(one)).toEqual(there(one));
      }
      world.presence.stop();
    },
  );
});
