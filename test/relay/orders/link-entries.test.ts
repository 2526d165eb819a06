import { Packr } from "msgpackr";
import { expect, it } from "vitest";
import {
  packAnswers,
  packCall,
  packHello,
  packRequests,
  readAnswers,
  readCall,
  readHello,
  readRequests,
} from "../../../src/relay/orders/link-entries.js";
import type { ExchangeNews, ExchangeRequest } from "../../../src/workers/messages.js";

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

it("link entries - what shards and the exchange say arrives as it was said", () => {
  const requests = {
    epoch: "e-1",
    heard: 17,
    takeBy: 123.25,
    requests: [[3, 12, REQUESTS]],
  } as const;
  expect(readRequests(packRequests(requests))).toEqual(requests);
  const news = [[3, 12, NEWS]] as const;
  const answers = { took: 4, clock: 99.5, beginning: undefined, end: undefined, news };
  expect(readAnswers(packAnswers(answers))).toEqual(answers);
  const first = {
    ...answers,
    news: [],
    beginning: { origin: "o", fence: 3, epoch: "e-1", takesOrders: false },
    end: "it ends",
  };
  expect(readAnswers(packAnswers(first))).toEqual(first);
  const hello = { node: WALLET, run: "r", link: "l" };
  expect(readHello(packHello(hello))).toEqual(hello);
  const call = { origin: "o", fence: 2 ** 40, epoch: "e" };
  expect(readCall(packCall(call))).toEqual(call);
});

it("link entries - what is none of this version is refused, and says why", () => {
  const refused = (read: (bytes: Buffer) => unknown, bytes: Buffer, rule: RegExp): void => {
    expect(() => read(bytes)).toThrow(rule);
    expect(() => read(bytes)).toThrow("an entry of a link");
  };
  refused(readHello, Buffer.from([0x93, 1]), /no MessagePack/);
  refused(readHello, Buffer.alloc(0), /no MessagePack/);
  refused(readHello, packr.pack([2, "n", "r", "l"]), /version is 2/);
  refused(readHello, packr.pack({ version: 1 }), /list is missing/);
  refused(readHello, packr.pack([1, "n", "r"]), /another length/);
  refused(readHello, packr.pack([1, "n", "r", 7]), /text of at most/);
  refused(readHello, packr.pack([1, "n", "r", "l".repeat(1025)]), /text of at most/);
  refused(readCall, packr.pack([1, "o", -1, "e"]), /whole number/);
  refused(readRequests, packr.pack([1, "e", 0, Number.NaN, []]), /time is missing/);
  refused(readRequests, packr.pack([1, "e", 0, 0, [[0, 1]]]), /another length/);
  refused(readRequests, packr.pack([1, "e", 0, 0, [[0, 1, [null]]]]), /no type/);
  refused(readAnswers, packr.pack([1, 0, 0, ["o", 1, "e", 1], null, []]), /boolean/);
});
