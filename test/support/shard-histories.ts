import fc from "fast-check";
import { expect } from "vitest";
import { counted, SHARD } from "../../src/counters/counters.js";
import type { ReplayCursor } from "../../src/workers/shard/fan-out/replay-cursor.js";
import { WINDOW_BITS } from "../../src/workers/shard/http/deflate-offer.js";
import { checkFanOutInvariants } from "./fan-out-invariants.js";
import {
  ActedWorld,
  type ActedWorldOptions,
  histories,
  pacing,
  type ShardAction,
} from "./shard-actions.js";
import type { Client } from "./shard-world.js";

/*
 * Random histories of markets, rounds and clients. Every message is checked by its client's
 * ClientModel as it is written; what only a whole round or the whole history shows is checked here.
 */

/** Where frames wait, one of so many actions is followed by the end of their time. */
const FLUSH_EVERY = 5;

/** Every way in which clients may take frames. */
const framings = fc.record({
  batched: fc.boolean(),
  windowBits: fc.constantFrom(undefined, ...WINDOW_BITS),
  // JSON and MessagePack, or MessagePack and Protocol Buffers.
  shift: fc.nat(1),
});
/** Longer than any history takes: frames wait until something sends them on. */
const FOREVER_MS = 1e6;

/** Runs a round and checks its writes: how many, and what is shared. */
function actWithCheckedWrites(world: ActedWorld, action: ShardAction): void {
  if (action.kind !== "round" && action.kind !== "conflate") return world.act(action);
  const cursors = new Set<ReplayCursor>();
  const before = new Map(
    world.open.map((client) => {
      const { blocked, hasQueue, loading, missedSince, marketsSince, marketsTold, audience } =
        client.connection;
      const { replay } = client.connection;
      if (replay !== undefined) cursors.add(replay);
      const calls = client.socket.calls.length;
      // Who was told in parts stands somewhere by itself.
      const parts = marketsTold === undefined ? "" : client.connection.number;
      // Trades of a cursor are not those of the round.
      const cursor = replay === undefined ? "" : [...cursors].indexOf(replay);
      // Who waits for first data has its trades alone.
      const stand = `${missedSince} ${marketsSince} ${parts} ${loading} ${cursor}`;
      return [
        client,
        { blocked, current: client.connection.current, hasQueue, stand, audience, calls },
      ];
    }),
  );
  world.act(action);
  const shared = new Map<string, readonly Buffer[]>();
  const audiences = [...world.fanOut.audiences];
  for (const [{ socket, connection }, at] of before) {
    const calls = socket.calls.slice(at.calls);
    // What Markets are told, now or late, is a write by itself.
    expect(calls.length).toBeLessThanOrEqual((at.audience?.filters.length ?? 0) > 0 ? 2 : 1);
    if (at.blocked && connection.blocked) expect(calls).toEqual([]);
    const [call] = calls;
    if (at.audience === undefined || at.hasQueue || call === undefined || action.tell) continue;
    if (at.current && action.kind === "round") expect(call).toHaveLength(1);
    // Members of an audience that stand at the same round get the same buffers, not equal ones.
    const key = `${audiences.indexOf(at.audience)} ${at.stand}`;
    const other = shared.get(key) ?? call;
    shared.set(key, other);
    expect(call.map((bytes, index) => bytes === other[index])).toEqual(other.map(() => true));
  }
}

/** With everything read, drained and told, a client has the latest of all it is subscribed to. */
function expectUpToDate(world: ActedWorld, { model, connection }: Client): void {
  expect(model.epoch).toBe(world.memory.epoch);
  expect(connection.behind || connection.blocked || connection.hasQueue).toBe(false);
  for (const [id, history] of world.truth.markets) {
    const { states, books, trades } = history;
    const stateSeq = states.length;
    const priceSeq = states.at(-1)?.priceSeq as number;
    const { state, price } = model.subscribed;
    const market = history.market(stateSeq);
    if (state.has(id)) {
      expect(model.last("state", id)).toBe(stateSeq);
      expect(model.last("book", id) ?? 0).toBe(books.length);
    }
    if (price.has(id)) expect(model.last("price", id) ?? 0).toBe(priceSeq);
    if (model.allTrades || model.subscribed.trade.has(id))
      expect(model.last("trade", id) ?? 0).toBe(trades.length);
    if (model.matches(market)) {
      expect(model.known.get(id)).toEqual(market);
      if (!state.has(id)) expect(model.view.has(id)).toBe(true);
    } else {
      const known = model.known.get(id);
      expect(known === undefined || !model.matches(known)).toBe(true);
      if (!state.has(id)) expect(model.view.has(id)).toBe(false);
    }
  }
}

/** What the parts of the shard say of themselves, between two of its doings. */
function checkInvariants({ fanOut, counters, intake, open }: ActedWorld): void {
  const connections = open.map(({ connection }) => connection);
  checkFanOutInvariants(fanOut, counters, connections);
  for (const connection of connections) expect(intake.holds(connection)).toBe(connection.loading);
}

function run(actions: readonly ShardAction[], options: ActedWorldOptions = {}): ActedWorld {
  const world = new ActedWorld(options);
  for (const [number, action] of actions.entries()) {
    // Frames that wait leave with whatever comes next, so that a round's writes are not its own.
    if (options.batchDelayMs === undefined) actWithCheckedWrites(world, action);
    else world.act(action);
    if (options.batchDelayMs !== undefined && number % FLUSH_EVERY === 0) world.fanOut.flushHeld();
    checkInvariants(world);
  }
  world.settle();
  checkInvariants(world);
  for (const client of world.open) expectUpToDate(world, client);
  return world;
}

function expectNobodyWaits({ counters }: ActedWorld): void {
  const { queuedBytes, blockedConnections, loadingConnections } = SHARD;
  for (const word of [queuedBytes, blockedConnections, loadingConnections])
    expect(counted(counters, word)).toBe(0);
}

/** Messages that may be conflated and were left out, as the clients saw it. */
const skipped = (world: ActedWorld): number =>
  world.clients.reduce((sum, { model }) => sum + model.skipped, 0);

/** Clients that keep up get every message in order, and nothing is conflated. */
export function checkCalmHistories(numRuns: number): void {
  fc.assert(
    fc.property(histories.calm, (actions) => {
      const world = run(actions);
      expect(counted(world.counters, SHARD.conflated)).toBe(0);
      expect(skipped(world)).toBe(0);
    }),
    { numRuns },
  );
}

/** Congested clients miss what is counted as conflated and nothing else. */
export function checkCongestedHistories(numRuns: number): void {
  fc.assert(
    fc.property(pacing, histories.congested, (paced, actions) => {
      const world = run(actions, { ...paced, quoted: true });
      expect(counted(world.counters, SHARD.conflated)).toBe(skipped(world));
      expectNobodyWaits(world);
    }),
    {
      numRuns,
      examples: [[{ partBytes: 1, lazy: true, hasty: false }, [...REPLAYED_BESIDE_OTHERS]]],
    },
  );
}

/** One of an audience has asked for the trades that the others are told, and has not been served. */
const REPLAYED_BESIDE_OTHERS: readonly ShardAction[] = [
  {
    kind: "recover",
    clients: [3],
    channels: [{ type: "Trades", params: { market_id: 2 } }],
    back: 0,
  },
  { kind: "trade", market: 2, price: 1, quantity: 1 },
  { kind: "subscribe", clients: [1], channels: [{ type: "Trades", params: { market_id: 2 } }] },
  { kind: "trade", market: 1, price: 1, quantity: 1 },
  {
    kind: "recover",
    clients: [1, 3],
    channels: [{ type: "Market", params: { market_id: 1 } }],
    back: 0,
  },
  { kind: "round", records: 5, flush: true, tell: false },
];

/** A trade waits for more where its audience was; one that it holds up loads the next epoch meanwhile. */
const HELD_OVER_AN_EPOCH: readonly ShardAction[] = [
  {
    kind: "recover",
    clients: [1, 3],
    channels: [{ type: "Market", params: { market_id: 0 } }],
    back: 0,
  },
  { kind: "recover", clients: [1, 2], channels: [{ type: "Trades", params: null }], back: 0 },
  { kind: "congest", clients: [1, 3] },
  { kind: "epoch", listed: 0 },
  { kind: "trade", market: 0, price: 1, quantity: 1 },
  { kind: "drain", clients: [3], writes: 1 },
  { kind: "round", records: 1, flush: true, tell: false },
];

/** In whatever frames messages come, they are the same, and as soon or at most a while later. */
export function checkFramedHistories(numRuns: number): void {
  const delays = fc.constantFrom(undefined, FOREVER_MS);
  fc.assert(
    fc.property(
      pacing,
      framings,
      delays,
      histories.everything,
      (paced, framing, delay, actions) => {
        const batchDelayMs = delay === undefined ? {} : { batchDelayMs: delay };
        const world = run(actions, { ...paced, framing, ...batchDelayMs });
        expectNobodyWaits(world);
        world.fanOut.flushHeld();
      },
    ),
    {
      numRuns,
      examples: [
        [
          { partBytes: 1, lazy: false, hasty: false },
          { batched: true, windowBits: undefined, shift: 0 },
          FOREVER_MS,
          [...HELD_OVER_AN_EPOCH],
        ],
      ],
    },
  );
  fc.assert(
    fc.property(pacing, framings, delays, histories.congested, (paced, framing, delay, actions) => {
      const batchDelayMs = delay === undefined ? {} : { batchDelayMs: delay };
      const world = run(actions, { ...paced, framing, ...batchDelayMs, quoted: true });
      expect(counted(world.counters, SHARD.conflated)).toBe(skipped(world));
      world.fanOut.flushHeld();
    }),
    { numRuns },
  );
}

/** With conflating rounds, other epochs, and clients that come and go, nothing is left behind. */
export function checkAllHistories(numRuns: number): void {
  fc.assert(
    fc.property(pacing, histories.everything, (paced, actions) => {
      const world = run(actions, paced);
      expectNobodyWaits(world);
      expect(counted(world.counters, SHARD.audiences)).toBe([...world.fanOut.audiences].length);
      for (const client of world.clients)
        if (client.connection.audience !== undefined || client.connection.open)
          world.disconnect(client);
      expect([...world.fanOut.audiences]).toEqual([]);
      const from = SHARD.subscriptionsByChannel;
      expect(world.counters.subarray(from, from + 7).every((count) => count === 0)).toBe(true);
    }),
    { numRuns },
  );
}
