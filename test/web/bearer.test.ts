import { expect, test } from "vitest";
import { CHROMIUM, launchChromium } from "../support/chromium.js";
import { startServerProcess, testToken } from "../support/server-process.js";

test.skipIf(CHROMIUM === undefined)(
  "bearer - a browser gives its token among the subprotocols, and gets the encoding back",
  async () => {
    const server = await startServerProcess({ shards: 1 });
    const browser = await launchChromium();
    try {
      const page = await browser.newPage();
      await page.goto(`http://127.0.0.1:${server.port}/`);
      const told = await page.evaluate(
        ([port, token]) =>
          new Promise<unknown[]>((resolve, reject) => {
            const protocols = [`bearer.${token}`, "marketcast.json"];
            const socket = new WebSocket(`ws://127.0.0.1:${port}/ws/v3`, protocols);
            const messages: string[] = [];
            socket.onmessage = ({ data }) => {
              if (messages.push(JSON.parse(data as string).type) === 2)
                resolve([socket.protocol, ...messages]);
            };
            socket.onclose = () => reject(new Error("no connection"));
          }),
        [`${server.port}`, testToken()],
      );
      expect(told).toEqual(["marketcast.json", "Connected", "Authenticated"]);
    } finally {
      await browser.close();
      await server.dispose();
    }
  },
);
