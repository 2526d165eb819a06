import fc from "fast-check";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { CoreClient } from "../../src/client/core-client.js";
import type { Channel } from "../../src/contract/messages.js";
import { acceptance, type FakeConnection, FakeServer, refusal } from "../support/fake-server.js";

/** Single subscriptions: three markets of a PriceFeed, and channels of their own. */
const UNITS = ["p1", "p2", "p3", "m1", "trades", "all"] as const;
type Unit = (typeof UNITS)[number];

const CHANNEL_OF: Readonly<Record<Exclude<Unit, `p${number}`>, Channel>> = {
  m1: { type: "Market", params: { market_id: 1 } },
  trades: { type: "Trades", params: null },
  all: { type: "Markets", params: null },
};

function channelsOf(units: readonly Unit[]): Channel[] {
  const market_ids = units.filter((unit) => /^p/.test(unit)).map((unit) => Number(unit.slice(1)));
  const others = units.flatMap((unit) => (unit in CHANNEL_OF ? [CHANNEL_OF[unit as "m1"]] : []));
  return market_ids.length === 0
    ? others
    : [...others, { type: "PriceFeed", params: { market_ids } }];
}

function unitsOf(channels: readonly Channel[]): Unit[] {
  return channels.flatMap((channel): Unit[] => {
    if (channel.type === "PriceFeed")
      return channel.params.market_ids.map((id) => `p${id}` as Unit);
    const known = Object.entries(CHANNEL_OF).find(([, { type }]) => type === channel.type);
    return known === undefined ? [] : [known[0] as Unit];
  });
}

/** How the server takes a message: refusals change nothing. */
type Mood = "takes" | "limits" | "unavailable" | "refuses";

/** A server that keeps what each connection has subscribed. */
class Exchange {
  mood: Mood = "takes";
  readonly holds = new Map<FakeConnection, Set<Unit>>();
  readonly server = new FakeServer((message, connection) => {
    const held = this.holds.get(connection) ?? new Set();
    this.holds.set(connection, held);
    if (this.mood === "limits") return refusal(message, "RATE_LIMITED");
    if (this.mood === "unavailable") return refusal(message, "UNAVAILABLE");
    const { type, data } = message;
    // A refused subscription of the client's own is lost, and an Unsubscribe is not refused.
    if (type === "Subscribe" && this.mood === "refuses" && this.connections === 1)
      return refusal(message, "MARKET_NOT_FOUND");
    if (type === "Subscribe") for (const unit of unitsOf(data.channels)) held.add(unit);
    if (type === "Unsubscribe") for (const unit of unitsOf(data.channels)) held.delete(unit);
    return acceptance(message);
  });

  get connections(): number {
    return this.server.connections.length;
  }

  get held(): Unit[] {
    const { connection } = this.server;
    return connection === undefined ? [] : [...(this.holds.get(connection) ?? [])].sort();
  }
}

/** A call of the program, and what became of it. */
interface Call {
  readonly type: "subscribe" | "unsubscribe";
  readonly units: readonly Unit[];
  readonly controller: AbortController;
  outcome: "waits" | "resolved" | "rejected";
}

type Step =
  | { readonly do: "subscribe" | "unsubscribe"; readonly units: readonly Unit[]; timeoutMs: number }
  | { readonly do: "abort"; readonly which: number }
  | { readonly do: "deliver"; readonly which: number }
  | { readonly do: "wait"; readonly ms: number }
  | { readonly do: "mood"; readonly mood: Mood }
  | { readonly do: "cut" };

const units = fc.subarray([...UNITS], { minLength: 1 });
const step: fc.Arbitrary<Step> = fc.oneof(
  {
    weight: 5,
    arbitrary: fc.record({
      do: fc.constantFrom("subscribe", "unsubscribe"),
      units,
      timeoutMs: fc.constantFrom(50, 5000),
    }) as fc.Arbitrary<Step>,
  },
  {
    weight: 2,
    arbitrary: fc.record({ do: fc.constant("abort" as const), which: fc.nat(8) }),
  },
  {
    weight: 5,
    arbitrary: fc.record({ do: fc.constant("deliver" as const), which: fc.nat(4) }),
  },
  {
    weight: 2,
    arbitrary: fc.record({ do: fc.constant("wait" as const), ms: fc.constantFrom(1, 60, 700) }),
  },
  {
    weight: 2,
    arbitrary: fc.record({
      do: fc.constant("mood" as const),
      mood: fc.constantFrom<Mood>("takes", "takes", "limits", "unavailable", "refuses"),
    }),
  },
  { weight: 1, arbitrary: fc.constant({ do: "cut" as const }) },
);

function newClient(server: FakeServer): CoreClient {
  return new CoreClient(
    {
      url: "ws://x",
      pingIntervalMs: 0,
      staleAfterMs: 0,
      reconnectIntervalMs: 10,
      maxReconnectIntervalMs: 50,
    },
    server.platform,
  );
}

/** What is subscribed by the program's calls: each unit by the last of those that came through. */
function expected(calls: readonly Call[]): Unit[] {
  const wanted = new Set<Unit>();
  for (const { type, units: named, outcome } of calls) {
    for (const unit of named) {
      // An Unsubscribe that was given up is carried out all the same.
      if (type === "unsubscribe") wanted.delete(unit);
      else if (outcome === "resolved") wanted.add(unit);
    }
  }
  return [...wanted].sort();
}

beforeEach(() => {
  vi.useFakeTimers({
    toFake: ["setTimeout", "clearTimeout", "setInterval", "clearInterval", "performance", "Date"],
  });
});
afterEach(() => {
  vi.useRealTimers();
});

describe("subscriber", () => {
  it.each([true, false])(
    "subscriber - after any history the client knows what the server has, answers in order: %s",
    async (inOrder) => {
      const history = async (steps: readonly Step[]): Promise<void> => {
        const exchange = new Exchange();
        const { server } = exchange;
        const client = newClient(server);
        const lost: unknown[] = [];
        client.on("subscriptionLost", (loss) => lost.push(loss));
        client.on("error", (error) => lost.push(error));
        await vi.advanceTimersByTimeAsync(5);
        server.prompt = false;
        const calls: Call[] = [];
        for (const one of steps) {
          await take(one, { exchange, client, calls, inOrder });
          await vi.advanceTimersByTimeAsync(0);
        }
        exchange.mood = "takes";
        server.prompt = true;
        while ((server.connection?.answers.length ?? 0) > 0) server.connection?.deliver();
        await vi.advanceTimersByTimeAsync(20_000);
        expect(calls.filter(({ outcome }) => outcome === "waits")).toEqual([]);
        expect(exchange.held).toEqual(expected(calls));
        expect(unitsOf(client.subscriptions).sort()).toEqual(exchange.held);
        expect(lost).toEqual([]);
        // And so it is after a reconnect.
        server.connection?.end(1012);
        await vi.advanceTimersByTimeAsync(1000);
        expect(exchange.held).toEqual(expected(calls));
        const closing = client.close();
        await vi.advanceTimersByTimeAsync(10);
        await closing;
      };
      await fc.assert(fc.asyncProperty(fc.array(step, { maxLength: 30 }), history), {
        numRuns: 300,
      });
    },
    60_000,
  );
});

interface World {
  readonly exchange: Exchange;
  readonly client: CoreClient;
  readonly calls: Call[];
  readonly inOrder: boolean;
}

async function take(one: Step, { exchange, client, calls, inOrder }: World): Promise<void> {
  const { server } = exchange;
  switch (one.do) {
    case "subscribe":
    case "unsubscribe": {
      const { do: type, units: named, timeoutMs } = one;
      const controller = new AbortController();
      const call: Call = { type, units: named, controller, outcome: "waits" };
      calls.push(call);
      const options = { timeoutMs, signal: controller.signal };
      client[type](channelsOf(named), options).then(
        () => {
          call.outcome = "resolved";
        },
        () => {
          call.outcome = "rejected";
        },
      );
      return;
    }
    case "abort":
      return calls.at(-1 - one.which)?.controller.abort();
    case "deliver":
      return server.connection?.deliver(
        inOrder ? 0 : one.which % Math.max(1, server.connection.answers.length),
      );
    case "wait":
      return void (await vi.advanceTimersByTimeAsync(one.ms));
    case "mood":
      exchange.mood = one.mood;
      return;
    case "cut":
      server.connection?.end(1006);
  }
}
