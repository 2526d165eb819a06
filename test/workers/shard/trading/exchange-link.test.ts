import { once } from "node:events";
import { setImmediate as turn } from "node:timers/promises";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import type {
  ExchangeNews,
  ExchangeRequest,
  ExchangeToShard,
} from "../../../../src/workers/messages.js";
import { ExchangeLink } from "../../../../src/workers/shard/trading/exchange-link.js";
import { ExchangeEnd } from "../../../support/exchange-end.js";

const unwatch = (wallet: string): ExchangeRequest => ({ type: "unwatch", wallet });
const refusal = (request: number): ExchangeNews => ({
  type: "refusal",
  request,
  refusal: { code: "INTERNAL", message: "m" },
});

let link: ExchangeLink;
let heard: ExchangeNews[];
let losses: number;
let pieces: { readonly news: readonly ExchangeNews[]; readonly message: ExchangeToShard }[];
/** What the hearer of news does beside. */
let hearing: () => void;

beforeEach(() => {
  heard = [];
  pieces = [];
  hearing = () => {};
  losses = 0;
  link = new ExchangeLink({
    news: (news, message) => {
      heard.push(...news);
      pieces.push({ news, message });
      hearing();
    },
    lost: () => losses++,
  });
});
afterEach(() => link.close());

const claim = (connection: number) => ({
  connection,
  session: `session-${connection}`,
  userId: "u",
  wallet: null,
  waitMs: 0,
});

describe("exchange-link", () => {
  it("exchange-link - the first message names the connections with sessions; a turn's requests are one", async () => {
    const exchange = new ExchangeEnd();
    link.connect(exchange.port, [claim(3), claim(5)]);
    expect(link.connected).toBe(true);
    link.send(unwatch("a"));
    link.send(unwatch("b"));
    expect(await exchange.messages()).toEqual([
      [{ type: "attach", sessions: [claim(3), claim(5)] }, unwatch("a"), unwatch("b")],
    ]);
    link.send(unwatch("c"));
    expect(await exchange.messages()).toEqual([[unwatch("c")]]);
    expect(await exchange.messages()).toEqual([]);
  });

  it("exchange-link - a port that leads nowhere takes nothing, until it leads somewhere or is another one", async () => {
    const exchange = new ExchangeEnd();
    link.connect(exchange.port, []);
    await exchange.messages();
    link.send(unwatch("a"));
    link.detach("why");
    expect([losses, link.connected, link.reason]).toEqual([1, false, "why"]);
    link.send(unwatch("b"));
    link.detach("still");
    expect([losses, link.reason, await exchange.messages()]).toEqual([1, "still", []]);
    expect([link.attach([claim(1)]), link.attach([claim(2)])]).toEqual([true, false]);
    link.send(unwatch("c"));
    expect(await exchange.messages()).toEqual([
      [{ type: "attach", sessions: [claim(1)] }, unwatch("c")],
    ]);
    // What is heard while it closes says nothing of the next one.
    hearing = () => link.detach("late");
    exchange.post(refusal(1));
    await exchange.close();
    expect([losses, link.attach([])]).toEqual([2, false]);
    hearing = () => {};
    const next = new ExchangeEnd();
    link.connect(next.port, []);
    expect(link.connected).toBe(true);
  });

  it("exchange-link - news arrive in their order, those before an exchange's end as well", async () => {
    const exchange = new ExchangeEnd();
    link.connect(exchange.port, []);
    await exchange.tell(refusal(1), refusal(2));
    exchange.post(refusal(3));
    await exchange.close();
    expect(heard).toEqual([refusal(1), refusal(2), refusal(3)]);
    expect([losses, link.connected]).toEqual([1, false]);
    link.close();
    expect(losses).toBe(1);
  });

  it("exchange-link - much news is heard in pieces, with time for others in between, and in its order", async () => {
    const exchange = new ExchangeEnd();
    link.connect(exchange.port, []);
    // Of a piece, longer than a turn has.
    hearing = () => {
      for (const end = performance.now() + 5; performance.now() < end; );
    };
    const all = Array.from({ length: 1001 }, (_, at) => refusal(at));
    await exchange.tell(...all.slice(0, 1000));
    expect(heard).toEqual(all.slice(0, 256));
    await exchange.tell(...all.slice(1000));
    for (let turns = 0; heard.length < all.length && turns < 10; turns++) {
      const before = pieces.length;
      await turn();
      expect(pieces.length - before).toBeLessThanOrEqual(1);
    }
    expect(heard).toEqual(all);
    expect(pieces.map(({ news }) => news.length)).toEqual([256, 256, 256, 232, 1]);
    expect(new Set(pieces.map(({ message }) => message)).size).toBe(2);
    const [last] = pieces.slice(-1);
    expect(last?.news).toBe(last?.message);
  });

  it("exchange-link - what was told before an exchange's end is heard before its loss, however much", async () => {
    const exchange = new ExchangeEnd();
    link.connect(exchange.port, []);
    hearing = () => {
      expect(losses).toBe(0);
      for (const end = performance.now() + 5; performance.now() < end; );
    };
    const all = Array.from({ length: 1000 }, (_, at) => refusal(at));
    await exchange.tell(...all);
    link.close();
    expect([heard, losses]).toEqual([all, 1]);
  });

  it("exchange-link - without an exchange nothing is sent, then or later", async () => {
    link.send(unwatch("a"));
    const exchange = new ExchangeEnd();
    link.connect(exchange.port, []);
    expect(await exchange.requests()).toEqual([{ type: "attach", sessions: [] }]);
    expect(losses).toBe(0);
  });

  it("exchange-link - another exchange hears nothing that was meant for the one before", async () => {
    const [before, after] = [new ExchangeEnd(), new ExchangeEnd()];
    link.connect(before.port, []);
    link.send(unwatch("a"));
    before.post(refusal(1));
    const closed = once(before.port, "close");
    link.connect(after.port, [claim(7)]);
    expect(losses).toBe(1);
    link.send(unwatch("b"));
    expect(await after.messages()).toEqual([
      [{ type: "attach", sessions: [claim(7)] }, unwatch("b")],
    ]);
    expect(await before.messages()).toEqual([]);
    await closed;
    await after.tell(refusal(2));
    // What the old one told is not heard, and its end is not the new one's.
    expect(heard).toEqual([refusal(2)]);
    expect([losses, link.connected]).toEqual([1, true]);
  });
});
