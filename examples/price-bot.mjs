// A bot's view of the price feed, on MessagePack: prints each price with its age on arrival, and
// says so when messages were conflated. Runs in a checkout beside a running server:
//
//   node examples/price-bot.mjs ws://localhost:8081/ws/v3 1001 1002
import { Packr, Unpackr } from "msgpackr";
import { WebSocket } from "ws";

const [url = "ws://localhost:8081/ws/v3", ...ids] = process.argv.slice(2);
// Ids may be sent as strings, which keeps those beyond 2^53 exact.
const marketIds = ids.length > 0 ? ids : ["1001"];

// Standard MessagePack: no records, and 64-bit integers as numbers while they are exact.
const packr = new Packr({ useRecords: false });
const unpackr = new Unpackr({ useRecords: false, int64AsType: "auto" });

const ws = new WebSocket(url, "marketcast.msgpack");
const lastSeq = new Map();

ws.on("open", () => {
  const channels = [{ type: "PriceFeed", params: { market_ids: marketIds } }];
  ws.send(packr.pack({ type: "Subscribe", id: 1, data: { channels } }));
});

ws.on("message", (bytes) => {
  const { type, data } = unpackr.unpack(bytes);
  if (type === "PriceUpdate") onPrice(data);
  else if (type === "EpochChanged") lastSeq.clear();
  else console.log(type, data);
});

ws.on("close", (code, reason) => {
  // 4500 and above, and the codes that end a connection for good, ask not to come back.
  console.log(`closed with ${code}: ${reason}`);
});

ws.on("error", (error) => console.error(error.message));

function onPrice({ market_id, price, best_bid, best_ask, seq, ts }) {
  const ageMs = Date.now() - ts / 1000;
  const expected = (lastSeq.get(market_id) ?? seq - 1) + 1;
  const gap = seq > expected ? `, ${seq - expected} conflated` : "";
  lastSeq.set(market_id, seq);
  console.log(
    `${market_id}: ${price} (${best_bid} / ${best_ask}), ${ageMs.toFixed(1)} ms old${gap}`,
  );
}
