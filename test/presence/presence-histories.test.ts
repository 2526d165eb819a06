import { describe, expect, it } from "vitest";
import type { PresenceUpdate } from "../../src/contract/messages.js";
import { PresenceHub } from "../../src/presence/presence-hub.js";
import type {
  PresenceKey,
  PresenceNews,
  PresenceShare,
} from "../../src/presence/presence-messages.js";
import { PresenceShares } from "../../src/presence/presence-shares.js";
import { PresenceView } from "../../src/presence/presence-view.js";
import { Random } from "../../src/shared/random.js";

const SEEDS = Array.from({ length: 40 }, () => Math.floor(Math.random() * 2 ** 32));
const STEPS = 1500;
const KEYS: readonly PresenceKey[] = ["market 1", "market 2", "channel a", "channel b"];
const USERS = ["ana", "bo", "cy", "dee", "eve", "fay", "gil"];

type ToHub =
  | { readonly type: "share"; readonly share: PresenceShare }
  | { readonly type: "watch" | "unwatch"; readonly key: PresenceKey };
type ToShard =
  | { readonly type: "count" | "ignore"; readonly key: PresenceKey }
  | { readonly type: "news"; readonly news: PresenceNews };

interface Visitor {
  readonly user: string | undefined;
  readonly keys: Set<PresenceKey>;
}

/** A client that is told what a view has, and what it makes of that. */
interface Watcher {
  version: number;
  connections: number;
  users: number;
  readonly members: Set<string>;
}

/** By which a contributor is known to the hub; one that is closed says and hears nothing, and the hub may not know. */
interface Way {
  readonly shard: Shard;
  open: boolean;
}

/** A contributor: its visitors, what it counts of them, what it was told, and the messages on their ways. */
class Shard {
  readonly visitors: Visitor[] = [];
  readonly shares = new PresenceShares();
  readonly views = new Map<PresenceKey, { view: PresenceView; watchers: Watcher[] }>();
  toHub: ToHub[] = [];
  toShard: ToShard[] = [];
  way: Way = { shard: this, open: true };

  send(message: ToHub): void {
    if (this.way.open) this.toHub.push(message);
  }

  /** Its way is another one, or none: what was to go, or come, by the one before is lost. */
  reset(open: boolean): void {
    this.toHub = [];
    this.toShard = [];
    this.shares.endAll();
    if (!open) this.way.open = false;
    else this.way = { shard: this, open };
  }

  change(visitor: Visitor, key: PresenceKey): void {
    if (visitor.keys.delete(key)) this.shares.leave(key, visitor.user);
    else {
      visitor.keys.add(key);
      this.shares.enter(key, visitor.user);
    }
  }

  hear(message: ToShard): void {
    if (message.type === "ignore") this.shares.end(message.key);
    else if (message.type === "news") this.views.get(message.news.key)?.view.take(message.news);
    else if (this.shares.begin(message.key)) {
      for (const { user, keys } of this.visitors)
        if (keys.has(message.key)) this.shares.enter(message.key, user);
    }
  }
}

class World {
  readonly random: Random;
  readonly shards: Shard[];
  readonly membersMax: number;
  readonly usersMax: number;
  now = 0;
  hub: PresenceHub<Way>;
  /** Ways of nodes that are dead, whose leases last still. */
  readonly leases = new Set<Way>();

  constructor(seed: number) {
    this.random = new Random(seed);
    this.shards = Array.from({ length: 4 }, () => new Shard());
    this.membersMax = this.random.below(2) === 0 ? 3 : 100;
    this.usersMax = this.random.below(3) === 0 ? 4 : 100;
    this.hub = this.newHub();
  }

  newHub(): PresenceHub<Way> {
    const toShard = ({ shard, open }: Way, message: ToShard): void => {
      if (open) shard.toShard.push(message);
    };
    const hub = new PresenceHub<Way>(
      {
        count: (way, key) => toShard(way, { type: "count", key }),
        ignore: (way, key) => toShard(way, { type: "ignore", key }),
        tell: (way, news) => toShard(way, { type: "news", news }),
      },
      { usersMax: this.usersMax, membersMax: this.membersMax, now: () => this.now },
    );
    this.hub = hub;
    this.leases.clear();
    for (const shard of this.shards) this.connect(shard);
    return hub;
  }

  connect(shard: Shard): void {
    shard.reset(true);
    this.hub.attach(shard.way);
    for (const key of shard.views.keys()) shard.send({ type: "watch", key });
  }

  /** The shards of another node, the first ones, lose their ways; the hub goes on with what they have told. */
  cut(): void {
    for (const shard of this.shards.slice(0, 2)) shard.reset(false);
  }

  rejoin(): void {
    for (const shard of this.shards) {
      if (shard.way.open) continue;
      this.hub.detach(shard.way);
      this.connect(shard);
    }
  }

  endLeases(): void {
    for (const way of this.leases) this.hub.detach(way);
    this.leases.clear();
  }

  pick<T>(items: readonly T[]): T {
    return items[this.random.below(items.length)] as T;
  }

  toHub(shard: Shard): void {
    const message = shard.toHub.shift();
    if (message?.type === "share") this.hub.take(shard.way, message.share);
    else if (message?.type === "watch") this.hub.watch(shard.way, message.key);
    else if (message?.type === "unwatch") this.hub.unwatch(shard.way, message.key);
  }

  toShard(shard: Shard): void {
    const message = shard.toShard.shift();
    if (message !== undefined) shard.hear(message);
  }

  flush(shard: Shard, namesMax: number): void {
    for (const share of shard.shares.take(namesMax)) shard.send({ type: "share", share });
  }

  /** A shard dies with its visitors and watchers, and another takes its place; the hub may hear of it later. */
  kill(shard: Shard): void {
    shard.reset(false);
    if (this.random.below(2) === 0) this.hub.detach(shard.way);
    else this.leases.add(shard.way);
    const next = new Shard();
    this.shards[this.shards.indexOf(shard)] = next;
    this.hub.attach(next.way);
  }

  /** A client of the shard begins to watch. */
  watch(shard: Shard, key: PresenceKey): void {
    const known = shard.views.get(key);
    const watched = known ?? { view: new PresenceView(key, this.membersMax), watchers: [] };
    watched.watchers.push({ version: 0, connections: -1, users: -1, members: new Set() });
    if (known !== undefined) return;
    shard.views.set(key, watched);
    shard.send({ type: "watch", key });
  }

  unwatch(shard: Shard, key: PresenceKey): void {
    const watched = shard.views.get(key);
    if (watched === undefined) return;
    watched.watchers.pop();
    if (watched.watchers.length > 0) return;
    shard.views.delete(key);
    shard.send({ type: "unwatch", key });
  }

  /** Tells a client what it lacks. */
  tell(watcher: Watcher, view: PresenceView): void {
    if (watcher.version === view.version) return;
    const update: PresenceUpdate = view.since(watcher.version);
    const complete = watcher.members.size === watcher.users;
    watcher.version = view.version;
    watcher.connections = update.connections;
    watcher.users = update.users;
    const { joined = [], left = [], members } = update;
    if (members !== undefined) {
      watcher.members.clear();
      for (const user of members) watcher.members.add(user);
    }
    for (const user of left) {
      const known = watcher.members.delete(user);
      if (complete) expect(known).toBe(true);
    }
    for (const user of joined) {
      if (complete) expect(watcher.members.has(user)).toBe(false);
      watcher.members.add(user);
    }
  }

  step(): void {
    const { random } = this;
    const shard = this.pick(this.shards);
    const key = this.pick(KEYS);
    switch (random.below(14)) {
      case 0:
        shard.visitors.push({
          user: random.below(3) === 0 ? undefined : this.pick(USERS),
          keys: new Set(),
        });
        break;
      case 1: {
        if (random.below(3) > 0) break;
        const [gone] = shard.visitors.splice(random.below(shard.visitors.length || 1), 1);
        for (const left of gone?.keys ?? []) shard.shares.leave(left, gone?.user);
        break;
      }
      case 2:
      case 3:
      case 4:
        if (shard.visitors.length > 0) shard.change(this.pick(shard.visitors), key);
        break;
      case 5:
        this.flush(shard, 1 + random.below(4));
        break;
      case 6:
      case 7:
      case 8:
        this.toHub(shard);
        break;
      case 9:
      case 10:
        this.toShard(shard);
        break;
      case 11:
        this.now += random.below(700);
        this.hub.tell();
        break;
      case 12:
        if (random.below(3) > 0) this.watch(shard, key);
        else this.unwatch(shard, key);
        break;
      default: {
        const watched = shard.views.get(key);
        if (watched !== undefined && watched.watchers.length > 0)
          this.tell(this.pick(watched.watchers), watched.view);
        if (random.below(40) === 0) this.kill(shard);
        if (random.below(60) === 0) this.newHub();
        if (random.below(40) === 0) this.cut();
        if (random.below(20) === 0) this.rejoin();
        if (random.below(40) === 0) this.endLeases();
      }
    }
  }

  /** Has everything arrive that is on its way. */
  settle(): void {
    this.rejoin();
    this.endLeases();
    for (let rounds = 0; rounds < 200; rounds++) {
      for (const shard of this.shards) {
        while (shard.toShard.length > 0) this.toShard(shard);
        while (shard.shares.due) this.flush(shard, 100);
        while (shard.toHub.length > 0) this.toHub(shard);
      }
      this.now += 500;
      this.hub.tell();
      const quiet = this.shards.every(({ toHub, toShard }) => toHub.length + toShard.length === 0);
      if (quiet && this.hub.nextAt === undefined) return;
    }
    throw new Error("it does not come to rest");
  }

  /** Everybody who watches knows what there is, counted anew. */
  check(): void {
    for (const { views } of this.shards) {
      for (const [key, { view, watchers }] of views) {
        const there = this.shards.flatMap(({ visitors }) =>
          visitors.filter(({ keys }) => keys.has(key)),
        );
        const users = new Set(there.flatMap(({ user }) => (user === undefined ? [] : [user])));
        const told = Math.min(users.size, this.usersMax);
        expect(view.since(0)).toMatchObject({ connections: there.length, users: told });
        const { members } = view.since(0);
        expect(members === undefined).toBe(key.startsWith("market"));
        if (members !== undefined) {
          expect(members.length).toBe(Math.min(told, this.membersMax));
          for (const user of members) expect(users).toContain(user);
        }
        for (const watcher of watchers) {
          this.tell(watcher, view);
          expect(watcher).toMatchObject({ connections: there.length, users: told });
          if (
            members !== undefined &&
            this.membersMax > USERS.length &&
            this.usersMax > USERS.length
          )
            expect([...watcher.members].sort()).toEqual([...users].sort());
        }
      }
    }
    const watched = new Set(this.shards.flatMap(({ views }) => [...views.keys()]));
    expect(this.hub.keys).toBe(watched.size);
    for (const { shares } of this.shards) expect(new Set(shares.keys)).toEqual(watched);
  }
}

describe("presence histories", () => {
  it.each(SEEDS)(
    "presence histories - seed %i: whoever watches is told what is there, whatever dies meanwhile",
    (seed) => {
      const world = new World(seed);
      for (let step = 1; step <= STEPS; step++) {
        world.step();
        if (step % 300 > 0) continue;
        world.settle();
        world.check();
      }
    },
  );
});
