// A server of one client that repeats recorded frames as fast as they are read: all it costs is the
// writing, so that the client is what is measured.
import { createHash } from "node:crypto";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import type { ReplayReply, ReplayRequest } from "./replay-messages.js";

/** From RFC 6455, section 1.3. */
const WEBSOCKET_GUID = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11";

process.once("message", ({ subprotocol, greeting, pushes }: ReplayRequest) => {
  const server = createServer();
  server.on("upgrade", (request, socket) => {
    const key = `${request.headers["sec-websocket-key"]}${WEBSOCKET_GUID}`;
    const lines = [
      "HTTP/1.1 101 Switching Protocols",
      "Upgrade: websocket",
      "Connection: Upgrade",
      `Sec-WebSocket-Accept: ${createHash("sha1").update(key).digest("base64")}`,
      `Sec-WebSocket-Protocol: ${subprotocol}`,
    ];
    socket.write(`${lines.join("\r\n")}\r\n\r\n`);
    socket.write(greeting);
    const fill = (): void => {
      while (socket.write(pushes));
    };
    socket.on("drain", fill);
    socket.on("error", () => socket.destroy());
    fill();
  });
  server.listen(0, "127.0.0.1", () => {
    const reply: ReplayReply = { port: (server.address() as AddressInfo).port };
    process.send?.(reply);
  });
});
