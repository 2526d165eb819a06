import { once } from "node:events";
import { createServer } from "node:net";

/**
 * Looks whether a port can be listened on, which nobody is to find out only when it is needed. Rejects with Node's
 * error where it cannot.
 */
export async function tryPort(host: string, port: number): Promise<void> {
  const server = createServer((socket) => socket.destroy());
  server.listen({ host, port });
  await once(server, "listening");
  server.close();
  await once(server, "close");
}
