import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { channelKey } from "../../src/contract/channel-kinds.js";
import { channelSchema } from "../../src/contract/channels-schema.js";
import { PRICE_FEED_MARKETS_MAX, SEARCH_CHARACTERS_MAX } from "../../src/contract/limits.js";
import { MARKET_STATUSES } from "../../src/shared/market.js";
import { isName } from "../../src/shared/text.js";

const TYPES = [
  "Markets",
  "Market",
  "PriceFeed",
  "Trades",
  "SystemStatus",
  "Orders",
  "Heartbeat",
  "Candles",
] as const;

/** What a channel asks for, in the plainest form; its spellings are made from it. */
interface Meaning {
  readonly type: (typeof TYPES)[number];
  readonly ids: readonly bigint[];
  readonly statuses: readonly string[];
  readonly volumes: readonly [number | undefined, number | undefined];
  readonly search: string;
  readonly wallet: string;
  readonly intervalMs: number;
}

const someIds = fc.oneof(
  fc.bigInt({ min: 0n, max: 20n }),
  fc.bigInt({ min: (1n << 53n) - 2n, max: (1n << 53n) + 2n }),
  fc.bigInt({ min: 0n, max: (1n << 128n) - 1n }),
);
const volume = fc.option(fc.double({ min: 0, noNaN: true, noDefaultInfinity: true }), {
  nil: undefined,
});
const meanings: fc.Arbitrary<Meaning> = fc.record({
  type: fc.constantFrom(...TYPES),
  ids: fc.uniqueArray(someIds, { minLength: 1, maxLength: 6 }),
  statuses: fc.subarray([...MARKET_STATUSES]),
  volumes: fc.tuple(volume, volume),
  search: fc.string({ maxLength: SEARCH_CHARACTERS_MAX }),
  wallet: fc.string({ minLength: 1, maxLength: 128 }).filter(isName),
  intervalMs: fc.oneof(fc.constantFrom(100, 1000, 60_000), fc.integer({ min: 100, max: 60_000 })),
});

/** Numbers that a spelling's free choices are taken from. */
const whims = fc.array(fc.nat(), { minLength: 40, maxLength: 40 });

/** Spells a meaning: key order, repetition, id forms, empty and null parts as `whim` has it. */
function spell(meaning: Meaning, whim: readonly number[]): unknown {
  let at = 0;
  const choose = (choices: number): number => (whim[at++ % whim.length] as number) % choices;
  const shuffled = <T>(items: readonly T[]): T[] =>
    items
      .map((item) => [choose(1000), item] as const)
      .sort(([a], [b]) => a - b)
      .map(([, item]) => item);
  const object = (fields: Record<string, unknown>): Record<string, unknown> =>
    Object.fromEntries(shuffled([...Object.entries(fields), ["ignored", choose(9)]]));
  const id = (value: bigint): unknown => {
    const safe = value <= BigInt(Number.MAX_SAFE_INTEGER);
    return [value, value.toString(), safe ? Number(value) : value][choose(3)];
  };
  const list = <T>(items: readonly T[]): T[] =>
    shuffled([...items, ...items.filter(() => choose(2) === 0)]);
  const optional = (params: unknown): Record<string, unknown> =>
    params === null
      ? ([{}, { params: null }, { params: object({}) }][choose(3)] as Record<string, unknown>)
      : { params };
  const { type, ids, statuses, volumes, search, wallet, intervalMs } = meaning;
  const [first] = ids as [bigint];
  switch (type) {
    case "Markets": {
      const filter = {
        ...(statuses.length === 1 && choose(2) === 0 && { status: statuses[0] }),
        ...(volumes[0] !== undefined && { min_volume: volumes[0] }),
        ...(volumes[1] !== undefined && { max_volume: volumes[1] }),
        ...((search !== "" || choose(2) === 0) && {
          search: choose(2) === 0 ? search : search.toLowerCase(),
        }),
      };
      if (statuses.length > 0 && !("status" in filter))
        Object.assign(filter, { status: list(statuses) });
      const empty = Object.values(filter).every((value) => value === "");
      if (!empty) return object({ type, params: object({ filter: object(filter) }) });
      const nothing = [null, object({ filter: null }), object({ filter: object(filter) })];
      return object({ type, ...optional(nothing[choose(3)]) });
    }
    case "Market":
      return object({ type, params: object({ market_id: id(first) }) });
    case "PriceFeed":
      return object({ type, params: object({ market_ids: list(ids).map(id) }) });
    case "Trades":
      return object({
        type,
        ...optional(ids.length > 3 ? null : object({ market_id: id(first) })),
      });
    case "Orders":
      return object({ type, params: object({ wallet }) });
    case "SystemStatus":
      return object({ type, ...optional(null) });
    case "Candles": {
      const limit = intervalMs % 1000;
      const interval = ["1s", "1d"][intervalMs % 2];
      const whole = limit === 100 && choose(2) === 0 ? {} : { limit };
      return object({ type, params: object({ market_id: id(first), interval, ...whole }) });
    }
    case "Heartbeat": {
      const params = object({ interval_ms: intervalMs });
      return object({ type, ...optional(intervalMs === 1000 && choose(2) === 0 ? null : params) });
    }
  }
}

/** What tells two meanings apart. */
function essence({ type, ids, statuses, volumes, search, wallet, intervalMs }: Meaning): string {
  const [first] = ids as [bigint];
  const byType = {
    Markets: [[...statuses].sort(), `${volumes[0]} ${volumes[1]}`, search.toLowerCase()],
    Market: [`${first}`],
    PriceFeed: ids.map(String).sort(),
    Trades: [ids.length > 3 ? "all" : `${first}`],
    Orders: [wallet],
    SystemStatus: [],
    Heartbeat: [intervalMs],
    Candles: [`${first}`, intervalMs % 1000, intervalMs % 2],
  };
  return JSON.stringify([type, byType[type]]);
}

const keyOf = (spelling: unknown): string => channelKey(channelSchema.parse(spelling));
const refused = (channel: unknown): boolean => !channelSchema.safeParse(channel).success;

describe("channels", () => {
  it("channels - two spellings of a channel have one key", () => {
    fc.assert(
      fc.property(meanings, whims, whims, (meaning, one, other) => {
        const key = keyOf(spell(meaning, one));
        expect(keyOf(spell(meaning, other))).toBe(key);
        // The canonical form is a spelling as well, and its own canonical form.
        expect(keyOf(JSON.parse(key))).toBe(key);
      }),
      { numRuns: 500 },
    );
  });

  it("channels - different channels have different keys", () => {
    const near = fc.tuple(meanings, meanings, fc.nat(5)).map(([one, other, mixed]) => {
      const keys = Object.keys(one) as (keyof Meaning)[];
      const key = keys[mixed % keys.length] as keyof Meaning;
      return [one, { ...one, [key]: other[key] } as Meaning] as const;
    });
    fc.assert(
      fc.property(near, whims, ([one, other], whim) => {
        const same = keyOf(spell(one, whim)) === keyOf(spell(other, whim));
        expect(same).toBe(essence(one) === essence(other));
      }),
      { numRuns: 500 },
    );
  });

  it("channels - the canonical form is the one the contract shows", () => {
    const canonical = [
      [{ type: "Markets" }, { type: "Markets", params: null }],
      [
        { type: "Markets", params: { filter: { search: "BTC", status: "Active" } } },
        { type: "Markets", params: { filter: { status: ["Active"], search: "btc" } } },
      ],
      [
        { type: "PriceFeed", params: { market_ids: ["1002", 1001, "1001", 1n << 53n] } },
        { type: "PriceFeed", params: { market_ids: [1001, 1002, "9007199254740992"] } },
      ],
      [
        { type: "Trades", params: {} },
        { type: "Trades", params: null },
      ],
      [
        { type: "SystemStatus", params: { a: 1 } },
        { type: "SystemStatus", params: null },
      ],
    ];
    for (const [spelling, expected] of canonical)
      expect(channelSchema.parse(spelling)).toEqual(expected);
  });

  it("channels - every bound holds: at it a channel is taken, beyond it refused", () => {
    const feed = (count: number) => ({
      type: "PriceFeed",
      params: { market_ids: Array.from({ length: count }, (_, at) => at) },
    });
    const filter = (fields: unknown) => ({ type: "Markets", params: { filter: fields } });
    const market = (market_id: unknown) => ({ type: "Market", params: { market_id } });
    const orders = (length: number) => ({ type: "Orders", params: { wallet: "w".repeat(length) } });
    const taken = [
      feed(1),
      feed(PRICE_FEED_MARKETS_MAX),
      filter({ search: "x".repeat(SEARCH_CHARACTERS_MAX) }),
      filter({ status: Array(64).fill("Closed") }),
      filter({ min_volume: 0, max_volume: Number.MAX_VALUE }),
      market(0),
      market(`${(1n << 128n) - 1n}`),
      orders(1),
      orders(128),
      { type: "Positions", params: { wallet: "w" } },
      filter({ status: null, min_volume: null, max_volume: null, search: null }),
      { type: "Trades", params: { market_id: null } },
      { type: "Trades", params: null },
    ];
    for (const channel of taken) expect(refused(channel)).toBe(false);
    const broken = [
      feed(0),
      feed(PRICE_FEED_MARKETS_MAX + 1),
      filter({ search: "x".repeat(SEARCH_CHARACTERS_MAX + 1) }),
      filter({ search: 1 }),
      filter({ status: [] }),
      filter({ status: Array(65).fill("Closed") }),
      filter({ status: "active" }),
      filter({ min_volume: -1 }),
      filter({ max_volume: Number.POSITIVE_INFINITY }),
      filter({ max_volume: Number.NaN }),
      filter({ min_volume: "1" }),
      filter([]),
      market(-1),
      market(1.5),
      market(2 ** 53),
      market("01"),
      market(`${1n << 128n}`),
      market(null),
      { type: "Market" },
      { type: "Market", params: null },
      { type: "PriceFeed", params: { market_ids: 1 } },
      filter({ status: [null] }),
      { type: "PriceFeed", params: { market_ids: null } },
      { type: "PriceFeed", params: { market_ids: [null] } },
      { type: "Orders", params: { wallet: null } },
      orders(0),
      orders(129),
      { type: "Market", params: [1] },
      { type: "markets" },
      {},
      null,
      "Markets",
      [],
    ];
    for (const channel of broken)
      expect({ channel, refused: refused(channel) }).toMatchObject({ refused: true });
  });
});
