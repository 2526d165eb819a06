// Baseline: a broadcaster on `ws` as it is mostly written: stringify and send, client by client.
import type { AddressInfo } from "node:net";
import { WebSocket, WebSocketServer } from "ws";
import { runBaseline } from "./baseline.js";

const server = new WebSocketServer({ host: "127.0.0.1", port: 0 }, () => {
  runBaseline((server.address() as AddressInfo).port, (update) => {
    for (const client of server.clients) {
      if (client.readyState === WebSocket.OPEN) client.send(JSON.stringify(update));
    }
  });
});
// A load client resets its connections; `ws` has closed such a client already.
server.on("connection", (client) => client.on("error", () => undefined));
