import { gzipSync } from "node:zlib";
import { describe, expect, it } from "vitest";
import { playInput, playRecording } from "../support/feed-plays.js";
import type { RecordingSink } from "../support/recording-sink.js";

/* What cannot be used is told with its source, line and column, and nothing of its row is published. */

const COLUMNS = ["last", "last_qty", "side", "bid", "bid_qty", "ask", "ask_qty"] as const;
const MAP = JSON.stringify({
  format: null,
  time: null,
  market: { market_id: 5, title: "Five", tick_size: 0.01, lot_size: 1 },
  markets: null,
  columns: {
    market: null,
    bid_price: "bid",
    bid_size: "bid_qty",
    ask_price: "ask",
    ask_size: "ask_qty",
    trade_price: "last",
    trade_size: "last_qty",
    trade_side: "side",
  },
});

type Cells = Partial<Record<(typeof COLUMNS)[number], string>>;

/** A row whose every part is possible, but for what `cells` say. */
const row = (cells: Cells): Cells => ({
  last: "10",
  last_qty: "1",
  side: "Buy",
  bid: "9.99",
  bid_qty: "4",
  ask: "10.02",
  ask_qty: "2",
  ...cells,
});

/** Plays one row of a CSV file in its second line, and the same row of NDJSON in two spellings. */
async function playRow(cells: Cells): Promise<RecordingSink[]> {
  const csv = `${COLUMNS.join(",")}\n${COLUMNS.map((name) => cells[name]).join(",")}\n`;
  const texts = JSON.stringify(cells);
  const values = texts.replace(/"(-?[0-9.]+)"(?=[,}])/g, "$1").replaceAll('""', "null");
  return [
    await playRecording("rows.csv", csv, MAP),
    await playRecording("rows.ndjson", `\n${texts}\n`, MAP),
    await playRecording("rows.ndjson", `\n${values}\n`, MAP),
  ];
}

describe("rejections", () => {
  it.each<[string, Cells, string, string | undefined]>([
    ["a crossed quote", { bid: "10.03" }, "CROSSED_QUOTE", undefined],
    ["a locked quote", { bid: "10.02" }, "CROSSED_QUOTE", undefined],
    ["a bid between ticks", { bid: "9.985" }, "INVALID_VALUE", "bid"],
    ["an ask that is no number", { ask: "x" }, "INVALID_ROW", "ask"],
    ["a bid without a size", { bid_qty: "" }, "INVALID_ROW", "bid_qty"],
    ["a negative size", { ask_qty: "-2" }, "INVALID_VALUE", "ask_qty"],
    ["a size between lots", { ask_qty: "1.5" }, "INVALID_VALUE", "ask_qty"],
    [
      "a size of an empty side that is no number",
      { bid: "", bid_qty: "x" },
      "INVALID_ROW",
      "bid_qty",
    ],
    ["a size beside no price at all", { bid: "", ask: "", ask_qty: "x" }, "INVALID_ROW", "ask_qty"],
    ["a trade between ticks", { last: "10.001" }, "INVALID_VALUE", "last"],
    ["a trade without a price", { last: "" }, "INVALID_ROW", "last"],
    ["a trade without a size", { last_qty: "" }, "INVALID_ROW", "last_qty"],
    ["a trade of nothing", { last_qty: "0" }, "INVALID_VALUE", "last_qty"],
    ["a trade of less", { last_qty: "-1" }, "INVALID_VALUE", "last_qty"],
    ["a side that is none", { side: "?" }, "INVALID_ROW", "side"],
    ["a price out of range", { bid: "-9e99" }, "INVALID_VALUE", "bid"],
  ])(
    "rejections - a row with %s is refused as a whole, in every format",
    async (_, cells, kind, at) => {
      const whole = row(cells);
      const sinks = await playRow(whole);
      for (const [i, sink] of sinks.entries()) {
        expect(sink.events.map(({ type }) => type)).toEqual(["listed", "reject"]);
        const [rejection] = sink.of("reject");
        expect(rejection).toMatchObject({ kind, line: 2 });
        expect(rejection?.message).toContain(i === 0 ? "rows.csv, line 2" : "rows.ndjson, line 2");
        if (at === undefined) expect(rejection?.message).not.toContain("column");
        else expect(rejection?.message).toMatch(/, line 2, column [0-9]+: /);
      }
      if (at !== undefined) {
        const before = COLUMNS.slice(0, COLUMNS.indexOf(at as keyof Cells));
        const column = 1 + before.reduce((sum, name) => sum + `${whole[name]},`.length, 0);
        expect(sinks[0]?.of("reject")[0]?.message).toContain(`line 2, column ${column}: `);
        const json = 1 + JSON.stringify(whole).indexOf(`"${at}":`) + `"${at}":`.length;
        expect(sinks[1]?.of("reject")[0]?.message).toContain(`line 2, column ${json}: `);
      }
    },
  );

  it.each<[string, Cells, readonly unknown[]]>([
    ["no trade", { last: "", last_qty: "" }, [[999, 1002]]],
    ["no side of its trade", { side: "" }, ["Buy", [999, 1002]]],
    ["no bid", { bid: "", bid_qty: "" }, ["Buy", [null, 1002]]],
    ["no price of its bid, but a size", { bid: "" }, ["Buy", [null, 1002]]],
    ["an ask of size 0", { ask_qty: "0" }, ["Buy", [999, null]]],
    ["an ask of the empty price", { ask: "9999999999", ask_qty: "0" }, ["Buy", [999, null]]],
    ["no quote", { bid: "", bid_qty: "", ask: "", ask_qty: "" }, ["Buy", [null, null]]],
  ])("rejections - a row with %s is taken, in every format", async (_, cells, published) => {
    for (const sink of await playRow(row(cells))) {
      const events = sink.events.flatMap((event): unknown[] => {
        if (event.type === "trade") return [event.takerSide];
        return event.type === "price" ? [[event.bestBid, event.bestAsk]] : [];
      });
      expect(events).toEqual(published);
      expect(sink.of("reject")).toEqual([]);
    }
  });

  const LISTING = '{"type":"market","market_id":5,"title":"Five","tick_size":0.01,"lot_size":1}';

  it.each([
    ["quote", '"best_bid":9.985,"best_ask":10.02', "INVALID_VALUE", '"best_bid":'],
    ["quote", '"best_bid":10.02,"best_ask":10.02', "CROSSED_QUOTE", undefined],
    ["quote", '"best_bid":"9.99","best_ask":10.02', "INVALID_MESSAGE", '"best_bid":'],
    ["trade", '"price":10,"quantity":-1,"taker_side":"Buy"', "INVALID_VALUE", '"quantity":'],
    ["trade", '"price":10,"quantity":1,"taker_side":null', "INVALID_MESSAGE", '"taker_side":'],
    ["trade", '"price":null,"quantity":1,"taker_side":"Buy"', "INVALID_MESSAGE", '"price":'],
    ["book", '"bids":[[9,1],[8.005,1]],"asks":[]', "INVALID_VALUE", '"bids":[[9,1],['],
    ["book", '"bids":[[9,1],[8,0]],"asks":[]', "INVALID_VALUE", '"bids":[[9,1],[8,'],
    ["book", '"bids":[[9,1]],"asks":[[9,1]]', "CROSSED_BOOK", undefined],
    ["book", '"bids":[],"asks":[[8,1],[7,1]]', "INVALID_VALUE", '"asks":[[8,1],'],
  ] as const)(
    "rejections - stdin: a %s with %s is refused as a whole",
    async (type, fields, kind, at) => {
      const line = `{"type":"${type}","market_id":5,${fields}}`;
      const sink = await playInput(`\uFEFF${LISTING}\r\n${line}\r\n`);
      expect(sink.events.map((event) => event.type)).toEqual(["listed", "reject"]);
      const [rejection] = sink.of("reject");
      const place = at && `, column ${line.indexOf(at) + at.length + 1}`;
      expect(rejection).toMatchObject({ kind, line: 2 });
      expect(rejection?.message.startsWith(`standard input, line 2${place ?? ""}: `)).toBe(true);
    },
  );

  it("rejections - stdin: null for an optional field means that it is absent", async () => {
    const listing = LISTING.replace('"title"', '"status":null,"title"');
    const trade =
      '{"type":"trade","market_id":5,"price":10,"quantity":1,"taker_side":"Buy","trade_id":null}';
    const sink = await playInput(`${listing}\n${trade}\n`);
    expect(sink.events).toEqual([
      { type: "listed", marketId: 5, status: "Active" },
      { type: "trade", marketId: 5, price: 1000, quantity: 1, takerSide: "Buy" },
      expect.objectContaining({ type: "price" }),
    ]);
  });

  it.each([
    ["{", "INVALID_JSON", "column 2: no JSON: found the end, expected a closing brace"],
    ['{"a":1,}', "INVALID_JSON", "column 8: no JSON: found a closing brace"],
    ["\u0000", "INVALID_JSON", "column 1: no JSON: found the character U+0000"],
    ["// a", "INVALID_JSON", "column 1: no JSON: found a comment"],
    [
      Buffer.from('{"a":"\xff"}', "latin1"),
      "INVALID_UTF8",
      "column 7: found a byte that is not UTF-8",
    ],
    ["x".repeat(70_000), "LINE_TOO_LONG", undefined],
  ] as const)(
    "rejections - a line %j is told alike by replay and stdin",
    async (line, kind, what) => {
      const content = Buffer.concat([
        Buffer.from(`${LISTING}\n`),
        Buffer.from(line),
        Buffer.from("\n"),
      ]);
      const replay = await playRecording("rows.ndjson", content, MAP);
      const stdin = await playInput(content);
      for (const [sink, name] of [
        [replay, "rows.ndjson, line 2"],
        [stdin, "standard input, line 2"],
      ] as const) {
        const rejection = sink.of("reject").find((one) => one.line === 2);
        expect(rejection?.kind).toBe(kind);
        expect(rejection?.message).toContain(what === undefined ? name : `${name}, ${what}`);
      }
    },
  );

  it("rejections - a file in UTF-16 is refused when the feed is made, piped input when it comes", async () => {
    const text = Buffer.from(`\uFEFF${LISTING}\n`, "utf16le");
    for (const content of [text, gzipSync(text)]) {
      const playing = playRecording("rows.ndjson", content, MAP);
      await expect(playing).rejects.toThrow(
        /^--feed-file .*rows\.ndjson.*UTF-16; it has to be UTF-8$/,
      );
    }
    await expect(playInput(text)).rejects.toThrow("UTF-16");
  });

  it.each([
    [
      'bid,"ask',
      "its header cannot be read: line 1, column 5: a quoted cell is not closed on its line",
    ],
    ["bid,bid_qty,ask,ask,last,last_qty,side,ask_qty", 'with the map\'s column "ask", once'],
    ["bid,bid_qty,ask", 'with the map\'s column "ask_qty", once'],
  ])("rejections - a header %s is refused when the feed is made", async (header, problem) => {
    await expect(playRecording("rows.csv", `${header}\n1,2,3\n`, MAP)).rejects.toThrow(problem);
  });

  it("rejections - a cell in a message is bounded", async () => {
    const [csv] = await playRow(row({ bid: "x".repeat(50_000) }));
    expect(csv?.of("reject")[0]?.message.length).toBeLessThan(300);
  });
});
