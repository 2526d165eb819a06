import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { ArchiveEnvironment } from "../../../../../src/archive/archive-environment.js";
import { ArchiveReader } from "../../../../../src/archive/archive-reader.js";
import { ArchiveWriter } from "../../../../../src/archive/archive-writer.js";
import type { Trade } from "../../../../../src/contract/messages.js";
import type { Mirror } from "../../../../../src/workers/shard/fan-out/mirror.js";
import { ApiError } from "../../../../../src/workers/shard/http/v3/api-error.js";
import { type ApiSources, DATA_ROUTES } from "../../../../../src/workers/shard/http/v3/routes.js";
import { History } from "../../../../../src/workers/shard/requests/history.js";
import { fakeMarkets, fakeMirror } from "../../../../support/fake-member.js";

/** µs; a minute's beginning. */
const BEGIN = 1_790_000_040_000_000;
const TRADES = 2500;
/** Of the market 1001, which is in the archive only; 0 to 4 are listed and have no trades. */
const ID = "1001";
const LAST_EPOCH = "e-2";

const told: Trade[] = [];
let dir: string;
let writer: ArchiveWriter;
let reader: ArchiveReader | undefined;
const mirror: Mirror = Object.assign(fakeMirror(fakeMarkets(5)), { epoch: LAST_EPOCH, lastTs: 1 });
const charged: number[] = [];
const sources: ApiSources = {
  mirror: () => mirror,
  status: () => {
    throw new Error("nobody asks for it");
  },
  history: new History(
    {
      get reader() {
        return reader;
      },
      noteFault: () => {},
    },
    new Float64Array(256),
  ),
};

beforeAll(async () => {
  dir = await mkdtemp(join(tmpdir(), "marketcast-history-"));
  writer = new ArchiveWriter(new ArchiveEnvironment(dir));
  for (const epoch of ["e-1", LAST_EPOCH]) {
    writer.beginEpoch(epoch);
    const market = writer.market({ marketId: Number(ID), tickSize: 0.01, lotSize: 0.1 });
    for (let seq = 1; seq <= TRADES / 2; seq++) {
      const number = told.length + 1;
      // Several of the same ts, and hours in all.
      const ts = BEGIN + Math.floor(number / 3) * 10_000_000;
      const [price, quantity] = [5853 + (number % 7), 3 + (number % 5)];
      const tradeId = `${number}`;
      writer.append(market, { number, ts, seq, price, quantity, takerSide: "Buy", tradeId });
      told.push({
        trade_id: tradeId,
        market_id: Number(ID),
        price: Number((price / 100).toFixed(2)),
        quantity: Number((quantity / 10).toFixed(1)),
        taker_side: "Buy",
        seq,
        ts,
        ...(epoch !== LAST_EPOCH && { epoch }),
      });
    }
    await writer.commit();
  }
  reader = new ArchiveReader(dir);
});
afterAll(async () => {
  await reader?.close();
  await writer.close();
  await rm(dir, { recursive: true, force: true });
});

interface Page {
  readonly market_id: number;
  readonly interval?: string;
  readonly trades?: readonly Trade[];
  readonly candles?: readonly (readonly number[])[];
  readonly next?: string;
}

function ask(what: "trades" | "candles", query: string, id = ID): Page {
  const route = DATA_ROUTES.find(({ path }) => path === `/v3/markets/{id}/${what}`);
  if (route === undefined) throw new Error(`no route to ${what}`);
  return JSON.parse(
    route.answer(sources, id, query).body((bytes) => charged.push(bytes)) as string,
  );
}

/** All pages, one behind the other. */
function askAll(what: "trades" | "candles", query: string): Page[] {
  const pages = [ask(what, query)];
  for (let next = pages[0]?.next; next !== undefined; next = pages.at(-1)?.next)
    pages.push(ask(what, `${query}&before=${encodeURIComponent(next)}`));
  return pages;
}

const newestFirst = (trades: readonly Trade[]): Trade[] => [...trades].reverse();

describe("history over HTTP", () => {
  it("history-routes - by default a page is the last hundred trades, newest first", () => {
    const page = ask("trades", "");
    expect(page).toMatchObject({ market_id: Number(ID), next: expect.any(String) });
    expect(page.trades).toEqual(newestFirst(told.slice(-100)));
  });

  it.each([1000, 333, 7])("history-routes - pages of %i trades are all trades, once", (limit) => {
    const pages = askAll("trades", `limit=${limit}`);
    expect(pages.flatMap(({ trades }) => trades)).toEqual(newestFirst(told));
    for (const { trades } of pages) expect(trades?.length).toBeLessThanOrEqual(limit);
    expect(pages.at(-1)).not.toHaveProperty("next");
  });

  it("history-routes - from is inclusive, to is exclusive, of pages and whole", () => {
    const [from, to] = [told[1000]?.ts as number, told[2000]?.ts as number];
    const within = told.filter(({ ts }) => ts >= from && ts < to);
    const pages = askAll("trades", `from=${from}&to=${to}&limit=300`);
    expect(pages.flatMap(({ trades }) => trades)).toEqual(newestFirst(within));
    expect(ask("trades", `from=${to}&to=${from}`)).toEqual({ market_id: Number(ID), trades: [] });
  });

  it("history-routes - candles are those of all trades, newest first, closed ones only", () => {
    const expected = new Map<number, number[]>();
    for (const { ts, price, quantity } of told) {
      const start = ts - (ts % 300_000_000);
      const before = expected.get(start);
      const [, open = price, high = price, low = price, , volume = 0, trades = 0] = before ?? [];
      const [highest, lowest] = [Math.max(high, price), Math.min(low, price)];
      // Volumes are whole tenths.
      const sum = Math.round((volume + quantity) * 10) / 10;
      expected.set(start, [start, open, highest, lowest, price, sum, trades + 1]);
    }
    const candles = [...expected.values()].filter(
      ([start = 0]) => start + 300_000_000 <= Date.now() * 1000,
    );
    expect(candles.length).toBeGreaterThan(20);
    const pages = askAll("candles", "interval=5m&limit=9");
    expect(pages.flatMap((page) => page.candles)).toEqual(candles.reverse());
    expect(pages[0]).toMatchObject({ market_id: Number(ID), interval: "5m" });
  });

  it("history-routes - candles of a second are charged by the trades that are read for them", () => {
    const chargeOf = (query: string): number => {
      charged.length = 0;
      ask("candles", query);
      return charged.reduce((sum, bytes) => sum + bytes, 0);
    };
    expect(chargeOf("interval=1s&limit=1000")).toBeGreaterThan(64 * TRADES);
    expect(chargeOf("interval=1d&limit=1000")).toBeLessThan(64 * 200);
  });

  it("history-routes - a listed market without trades has empty pages", () => {
    expect(ask("trades", "", "3")).toEqual({ market_id: 3, trades: [] });
    expect(ask("candles", "interval=1m", "3")).toMatchObject({ candles: [] });
  });

  it.each([
    ["trades", "", "77", "MARKET_NOT_FOUND", undefined],
    ["trades", "before=x", ID, "INVALID_MESSAGE", "before"],
    ["trades", "before=", ID, "INVALID_MESSAGE", "before"],
    ["trades", "before=1-zzzzzzzzzzzzzz", ID, "INVALID_MESSAGE", "before"],
    ["candles", "interval=1m&before=1-1", ID, "INVALID_MESSAGE", "before"],
    ["candles", "interval=2m", ID, "INVALID_MESSAGE", "interval"],
    ["candles", "", ID, "INVALID_MESSAGE", "interval"],
    ["trades", "limit=1001", ID, "INVALID_MESSAGE", "limit"],
    ["trades", "from=1.5", ID, "INVALID_MESSAGE", "from"],
  ] as const)("history-routes - %s?%s of %s is %s", (what, query, id, code, field) => {
    const refusal = (): unknown => {
      try {
        return ask(what, query, id);
      } catch (error) {
        return error;
      }
    };
    expect(refusal()).toBeInstanceOf(ApiError);
    expect(refusal()).toMatchObject({ code, ...(field !== undefined && { details: { field } }) });
  });

  it("history-routes - without an archive it is unavailable, of a market that there is", () => {
    const kept = reader;
    reader = undefined;
    try {
      expect(() => ask("trades", "", "3")).toThrow(
        expect.objectContaining({ code: "UNAVAILABLE", status: 503 }),
      );
      expect(() => ask("trades", "")).toThrow(expect.objectContaining({ status: 404 }));
    } finally {
      reader = kept;
    }
  });
});
