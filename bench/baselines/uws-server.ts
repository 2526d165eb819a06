// Baseline: uWebSockets.js with one topic: stringify once, publish.
import { runBaseline } from "./baseline.js";
import { loadUws } from "./uws-binary.js";

const TOPIC = "prices";
/** Per connection; beyond it uWebSockets.js drops messages. */
const BACKPRESSURE_BYTES_MAX = 16 * 1024 * 1024;

const uws = loadUws();
if (uws === undefined) throw new Error("uWebSockets.js has no binary for this platform");

const app = uws.App().ws("/*", {
  maxBackpressure: BACKPRESSURE_BYTES_MAX,
  idleTimeout: 0,
  open: (client) => {
    client.subscribe(TOPIC);
  },
  message: (client, message) => {
    const { topics } = JSON.parse(Buffer.from(message).toString()) as { topics: number[] };
    client.unsubscribe(TOPIC);
    for (const marketId of topics) client.subscribe(`${marketId}`);
  },
});
app.listen("127.0.0.1", 0, (listenSocket) => {
  if (!listenSocket) throw new Error("uWebSockets.js cannot listen");
  runBaseline(uws.us_socket_local_port(listenSocket), (update) => {
    const text = JSON.stringify(update);
    app.publish(TOPIC, text);
    app.publish(`${update.data.market_id}`, text);
  });
});
