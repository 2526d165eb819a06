import { afterAll, afterEach, beforeAll, describe, expect, it } from "vitest";
import { endRuns, runNode } from "../support/run-node.js";
import { type ServerProcess, startServerProcess } from "../support/server-process.js";
import { until } from "../support/until.js";

let server: ServerProcess;
beforeAll(async () => {
  server = await startServerProcess({ feed: "synthetic", shards: 1, "feed-rate": 2000 });
});
afterEach(endRuns);
afterAll(() => server.dispose());

describe("process", () => {
  /** A script whose last statement is the last thing that keeps the process. */
  const script = (body: string): string[] => [
    "--input-type=module",
    "-e",
    `import { MarketcastClient } from "marketcast/client";
     const client = new MarketcastClient({ url: process.env.URL });
     ${body}`,
  ];
  const env = (): { URL: string } => ({ URL: `ws://127.0.0.1:${server.port}` });

  it("process - ends by itself once the client is closed, from any state", async () => {
    for (const body of [
      `await client.subscribe([{ type: "Trades" }]); await client.close();`,
      `await client.close();`,
      `client.ping().catch(({ code }) => console.log(code)); client.close();`,
      `for await (const { type } of client) { console.log(type); break; } await client.close();`,
    ]) {
      const child = runNode(script(body), env());
      expect(await child.ended).toBe(0);
    }
    const unreachable = runNode(script(`client.on("state", () => client.close());`), {
      URL: "ws://127.0.0.1:9",
    });
    expect(await unreachable.ended).toBe(0);
  });

  it("process - is kept by a client that reconnects, and not brought down by it", async () => {
    const child = runNode(
      script(`client.on("state", ({ status, attempt }) => console.log(status, attempt));`),
      {
        URL: "ws://127.0.0.1:9",
      },
    );
    await until("it tries again", () => child.lines.includes("reconnecting 2"));
    expect(child.child.exitCode).toBe(null);
  });

  it("process - an error that nobody listens for is printed, and brings nothing down", async () => {
    const child = runNode(
      script(`
        client.on("Connected", () => { throw new Error("my own mistake"); });
        await client.ready();
        await client.close();`),
      env(),
    );
    expect(await child.ended).toBe(0);
    expect(child.lines.join("\n")).toMatch(/ListenerError: a listener threw[\s\S]*my own mistake/);
  });
});
