import { once } from "node:events";
import { readFile } from "node:fs/promises";
import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { extname } from "node:path";
import { fileURLToPath } from "node:url";
import type { Browser } from "playwright-core";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { CHROMIUM, launchChromium } from "../support/chromium.js";
import { type ServerProcess, startServerProcess } from "../support/server-process.js";
import { until } from "../support/until.js";

const ROOT = fileURLToPath(new URL("../..", import.meta.url));
const CONTENT_TYPES: Readonly<Record<string, string>> = {
  ".html": "text/html",
  ".js": "text/javascript",
};

describe.skipIf(CHROMIUM === undefined)("browser example", () => {
  let server: ServerProcess;
  let files: Server;
  let browser: Browser;
  beforeAll(async () => {
    server = await startServerProcess({
      feed: "synthetic",
      "feed-rate": 2000,
      "market-interval": 100,
    });
    // Any static server of the package's folder will do.
    files = createServer((request, response) => {
      const { pathname } = new URL(request.url ?? "/", "http://localhost");
      readFile(`${ROOT}${pathname}`).then(
        (bytes) => {
          const type = CONTENT_TYPES[extname(pathname)] ?? "application/octet-stream";
          response.writeHead(200, { "Content-Type": type }).end(bytes);
        },
        () => response.writeHead(404).end(),
      );
    }).listen(0, "127.0.0.1");
    [browser] = await Promise.all([launchChromium(), once(files, "listening")]);
  });
  afterAll(async () => {
    files.close();
    await Promise.all([browser.close(), server.dispose()]);
  });

  it("browser example - lists the markets, without a build step and without a complaint", async () => {
    const page = await browser.newPage();
    const complaints: string[] = [];
    page.on("console", (message) => complaints.push(message.text()));
    page.on("pageerror", (error) => complaints.push(String(error)));
    const { port } = files.address() as AddressInfo;
    const url = encodeURIComponent(`ws://127.0.0.1:${server.port}`);
    await page.goto(`http://127.0.0.1:${port}/examples/browser.html?url=${url}`);
    await page.waitForSelector("#markets tr:nth-child(50)");
    expect(await page.textContent("#state")).toBe("open");
    expect(await page.textContent("#markets td:nth-child(2)")).toMatch(/^Active|Halted|Closed$/);
    const first = page.locator("#markets tr").first();
    const before = await first.textContent();
    await until("its price moves", async () => (await first.textContent()) !== before);
    expect(complaints).toEqual([]);
    await page.close();
  });
});
