import { expect, it } from "vitest";
import type { ServerMessage } from "../../../../src/contract/messages.js";
import type { MarketId } from "../../../../src/shared/market-id.js";
import { ArchivedWorld, MARKETS } from "../../../support/archived-world.js";
import type { Client } from "../../../support/shard-world.js";
import { until } from "../../../support/until.js";

/** Trades of each market before the present epoch. */
const FORMER = 40;

const ofMarket = (market_id: MarketId, since?: number) => ({
  type: "Trades",
  params: { market_id },
  ...(since !== undefined && { since }),
});

/** A world whose archive has all trades of a former epoch, and some of the present one. */
function archivedWorld(): ArchivedWorld {
  const run = new ArchivedWorld();
  run.pageMax = 7;
  trade(run, FORMER);
  run.restart();
  trade(run, 5);
  run.begin();
  trade(run, 3);
  return run;
}

function trade(run: ArchivedWorld, ofEach: number): void {
  for (let at = 0; at < ofEach; at++) {
    for (const id of MARKETS) run.trade(id);
    if (at % 30 === 29) run.round();
  }
  run.round();
}

/** A client that is told trades of more than one epoch, which the model of clients does not follow. */
function connect(run: ArchivedWorld): Client {
  const client = run.world.connect(0);
  client.model.take = () => {};
  return client;
}

/** What a client was told of a market, as price and epoch. */
function told({ messages }: Client, marketId: MarketId): string[] {
  const isOfMarket = (one: ServerMessage) =>
    one.type === "TradeExecution" && one.data.trade.market_id === marketId ? [one.data.trade] : [];
  return messages
    .flatMap(isOfMarket)
    .map(({ price, epoch }) => `${Math.round(price * 100)} ${epoch ?? "present"}`);
}

/** Its socket takes what waits, and then again nothing but one write. */
function takeOnce(run: ArchivedWorld, { socket }: Client): void {
  socket.drain();
  socket.congested = true;
  run.world.serve();
}

it("trade replays - a market goes on out of the archive where all markets are unsubscribed meanwhile", () => {
  let between = 0;
  for (let pieces = 0; pieces < 25; pieces++) {
    const run = archivedWorld();
    const client = connect(run);
    client.socket.congested = true;
    const [begin, later] = [0, FORMER].map((at) => run.trades[at]?.ts ?? 0) as [number, number];
    run.world.subscribe(client, ofMarket(1, begin), { type: "Trades", since: later });
    for (let piece = 0; piece < pieces; piece++) takeOnce(run, client);
    if ((client.connection.replay?.archived.length ?? 0) > 0) between++;
    run.world.unsubscribe(client, { type: "Trades" });
    for (let piece = 0; piece < 3; piece++) takeOnce(run, client);
    const ofOthers = [told(client, 2), told(client, 3)];
    run.world.settle();
    trade(run, 2);
    run.world.settle();
    expect(told(client, 1)).toEqual(run.obvious(1, begin));
    expect([told(client, 2), told(client, 3)]).toEqual(ofOthers);
  }
  expect(between).toBeGreaterThan(5);
});

it("trade replays - what the archive and the window have of a market comes once where all markets are replayed as well", () => {
  const run = archivedWorld();
  const client = connect(run);
  // What is found of the market ends before what is found of all: the archive comes further meanwhile.
  run.onRead = (id) => {
    if (id === 1) run.archived = run.trades.length;
  };
  const later = run.trades[FORMER]?.ts ?? 0;
  run.world.subscribe(client, ofMarket(1, 0), { type: "Trades", since: later });
  run.world.settle();
  expect(told(client, 1)).toEqual(run.obvious(1, 0));
  expect(told(client, 2)).toEqual(run.obvious(2, later));
});

it("trade replays - what was found for who still gets another replay is found anew behind that", async () => {
  const run = archivedWorld();
  const since = run.trades.at(-1)?.ts ?? 0;
  trade(run, 150);
  run.begin();
  const client = connect(run);
  client.socket.congested = true;
  run.world.subscribe(client, ofMarket(1, 0));
  // It is in the window, as yet, which holds some 1,000.
  run.world.subscribe(client, ofMarket(2, since));
  for (let piece = 0; piece < 5; piece++) takeOnce(run, client);
  expect(client.connection.replay?.archived).toHaveLength(1);
  trade(run, 220);
  run.begin();
  await until("both are replayed", () => {
    client.socket.drain();
    run.world.serve();
    const { readyState, closed } = client.ws;
    if (readyState !== 1) throw new Error(`closed: ${closed?.reason}`);
    return told(client, 2).length > 0 && client.connection.replay === undefined;
  });
  expect(told(client, 2)).toEqual(run.obvious(2, since));
});

it("trade replays - a replay goes on in an archive that was opened again", () => {
  const run = archivedWorld();
  const client = connect(run);
  client.socket.congested = true;
  run.world.subscribe(client, ofMarket(1, 0));
  takeOnce(run, client);
  takeOnce(run, client);
  run.generation = 2;
  run.world.settle();
  expect(client.ws.closed).toBeUndefined();
  expect(told(client, 1)).toEqual(run.obvious(1, 0));
});

it("trade replays - who waits for the archive before an epoch is told of looks at it now and then", async () => {
  const run = archivedWorld();
  const client = connect(run);
  client.socket.congested = true;
  run.world.subscribe(client, ofMarket(1, 0));
  takeOnce(run, client);
  run.generation = 0;
  run.restart();
  client.socket.drain();
  let turns = 0;
  for (; turns < 200 && run.world.hasTurn; turns++) run.world.serve(1);
  expect(turns).toBeLessThan(20);
  expect(client.connection.held).toBe(true);
  run.generation = 2;
  await until("the epoch is told of", () => {
    run.world.serve();
    return client.messages.some(({ type }) => type === "EpochChanged");
  });
  const { messages } = client;
  const before = messages.slice(
    0,
    messages.findIndex(({ type }) => type === "EpochChanged"),
  );
  expect(before.filter(({ type }) => type === "TradeExecution")).toHaveLength(FORMER + 8);
});
