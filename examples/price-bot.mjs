// A bot's view of the price feed, on MessagePack: prints each price with its age on arrival, and
// says so when messages were conflated or missed. It stays through restarts of the server.
//
//   node examples/price-bot.mjs ws://localhost:8081 1001 1002
import { MarketcastClient } from "marketcast/client";

const [url = "ws://localhost:8081", ...ids] = process.argv.slice(2);
// Ids may be sent as strings, which keeps those beyond 2^53 exact.
const market_ids = ids.length > 0 ? ids : ["1001"];

const client = new MarketcastClient({ url, encoding: "msgpack" });

client.on("PriceUpdate", ({ market_id, price, best_bid, best_ask, ts }) => {
  const ageMs = Date.now() - ts / 1000;
  console.log(`${market_id}: ${price} (${best_bid} / ${best_ask}), ${ageMs.toFixed(1)} ms old`);
});
client.on("gap", ({ stream, marketId, missed, kind }) => {
  console.log(`${marketId}: ${missed} of ${stream} ${kind}`);
});
client.on("state", (state) => {
  const why = "cause" in state && state.cause ? `: ${state.cause.message}` : "";
  console.log(`${state.status}${why}`);
});
client.on("epoch", ({ epoch }) => console.log(`the server began anew, epoch ${epoch}`));

process.once("SIGINT", () => client.close());
process.once("SIGTERM", () => client.close());

try {
  await client.subscribe([{ type: "PriceFeed", params: { market_ids } }]);
} catch (error) {
  console.error(`${error.code}: ${error.message}`);
  process.exitCode = 1;
  await client.close();
}
