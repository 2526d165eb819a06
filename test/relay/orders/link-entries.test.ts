import { Packr } from "msgpackr";
import { expect, it } from "vitest";
import {
  isSame,
  packAnswers,
  packCall,
  packHello,
  packRequests,
  readAnswers as readAnswersOf,
  readCall,
  readHello,
  readRequests as readRequestsOf,
} from "../../../src/relay/orders/link-entries.js";
import { ORDER_LINKS } from "../../../src/relay/orders/order-links.js";
import type { ExchangeNews, ExchangeRequest } from "../../../src/workers/messages.js";

const readRequests = (bytes: Buffer) => readRequestsOf(bytes, ORDER_LINKS);
const readAnswers = (bytes: Buffer) => readAnswersOf(bytes, ORDER_LINKS);
const packr = new Packr({ useRecords: false });
const WALLET = "wållet €";

const REQUESTS: readonly ExchangeRequest[] = [
  {
    type: "place",
    request: 1,
    wallet: WALLET,
    order: {
      market_id: "340282366920938463463374607431768211455",
      side: "Buy",
      order_type: "Limit",
      price: 0.1 + 0.2,
      quantity: 1e-9,
      time_in_force: "GTC",
      post_only: false,
    },
    boundTo: undefined,
    validateOnly: true,
  },
  {
    type: "amend",
    request: 2,
    wallet: WALLET,
    order: { order_id: "7" },
    price: undefined,
    quantity: 5,
  },
  { type: "recover", request: 3, wallet: WALLET, since: 1_790_000_000_000_001, max: 100_000 },
  {
    type: "attach",
    sessions: [{ connection: 9, session: "s".repeat(24), userId: "u", wallet: null, waitMs: 0 }],
  },
];

const NEWS: readonly ExchangeNews[] = [
  { type: "told", position: { tradeId: 2 ** 53 - 1, ts: 1_790_000_000_000_001, orderId: 0 } },
  {
    type: "refusal",
    request: 1,
    refusal: { code: "UNAVAILABLE", message: "no\u0000 or \u{1f600}" },
  },
  {
    type: "answer",
    request: 2,
    message: { type: "CancelAfterSet", data: { trigger_ts: null } },
    costBytes: 0,
  },
  { type: "replay", request: 3, told: [], next: undefined },
];

const SERVING = { origin: "o", fence: 2 ** 40, epoch: "e-1" };

it("link entries - what shards and the exchange say arrives as it was said", () => {
  const requests = {
    to: SERVING,
    heard: 17,
    takeBy: 123.25,
    requests: [[3, 12, REQUESTS]],
  } as const;
  expect(readRequests(packRequests(requests))).toEqual(requests);
  const answers = {
    of: SERVING,
    took: 4,
    clock: 99.5,
    takesOrders: undefined,
    end: undefined,
    news: [[3, 12, NEWS]],
  } as const;
  expect(readAnswers(packAnswers(answers))).toEqual(answers);
  const first = { ...answers, news: [], takesOrders: false, end: "it ends" };
  expect(readAnswers(packAnswers(first))).toEqual(first);
  const hello = { node: WALLET, run: "r", link: "l", drawnAt: 0.5 };
  expect(readHello(packHello(hello))).toEqual(hello);
  expect(readCall(packCall(SERVING))).toEqual(SERVING);
});

it("link entries - threads, fences and epochs tell who serves from all others", () => {
  expect(isSame(SERVING, { ...SERVING })).toBe(true);
  for (const other of [{ origin: "p" }, { fence: 1 }, { epoch: "e-2" }])
    expect(isSame(SERVING, { ...SERVING, ...other })).toBe(false);
});

it("link entries - what is none of this version is refused, and says why", () => {
  const refused = (read: (bytes: Buffer) => unknown, bytes: Buffer, rule: RegExp): void => {
    expect(() => read(bytes)).toThrow(rule);
    expect(() => read(bytes)).toThrow("an entry of a link");
  };
  const requests = (...fields: readonly unknown[]): Buffer =>
    packr.pack([2, "o", 1, "e", ...fields]);
  refused(readHello, Buffer.from([0x93, 1]), /no MessagePack/);
  refused(readHello, Buffer.alloc(0), /no MessagePack/);
  refused(readHello, packr.pack([1, "n", "r", "l", 0]), /version is 1/);
  refused(readHello, packr.pack({ version: 2 }), /list is missing/);
  refused(readHello, packr.pack([2, "n", "r", "l"]), /another length/);
  refused(readHello, packr.pack([2, "n", "r", 7, 0]), /text of at most/);
  refused(readHello, packr.pack([2, "n", "r", "l".repeat(1025), 0]), /text of at most/);
  refused(readCall, packr.pack([2, "o", -1, "e"]), /whole number/);
  refused(readRequests, requests(0, Number.NaN, []), /time is missing/);
  refused(readRequests, requests(0, 0, [[0, 1]]), /another length/);
  refused(readRequests, requests(0, 0, [[0, 1, [null]]]), /type undefined, which there is not/);
  refused(readRequests, requests(0, 0, [[0, 1, [{ type: "toString" }]]]), /type toString/);
  refused(readRequests, requests(0, 0, [[0, 1, REQUESTS]]), /does not say until when/);
  refused(readAnswers, requests(0, 0, 1, null, []), /boolean/);
  refused(readAnswers, requests(0, 0, null, null, [[0, 1, [{ type: "place" }]]]), /type place/);
});
