import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, it } from "vitest";
import { type ServerProcess, startServerProcess } from "../support/server-process.js";
import { type Outcome, runMarketcast } from "./run-marketcast.js";

const TOKEN = "an-operations-token-of-more-than-32-bytes";
const cwd = mkdtempSync(join(tmpdir(), "marketcast-market-"));
let server: ServerProcess;
beforeAll(async () => {
  writeFileSync(join(cwd, "token"), `${TOKEN}\n`);
  const flags = { feed: "exchange", "sim-traders": 0, shards: 1 };
  server = await startServerProcess({ ...flags, "ops-token-file": join(cwd, "token") });
});
afterAll(async () => {
  await server.dispose();
  rmSync(cwd, { recursive: true, force: true });
});

type Env = Readonly<Record<string, string>>;
const run = (
  args: readonly string[],
  env: Env = { MARKETCAST_OPS_TOKEN: TOKEN },
): Promise<Outcome> => runMarketcast(["market", ...args], { cwd, env });
const onPort = (...args: readonly string[]): string[] => [
  ...args,
  ...["--ops-port", String(server.opsPort)],
];

it("market - a market is listed, halted, resumed and settled", async () => {
  const listing = ["--title", "Rain", "--tick-size", "0.01", "--lot-size", "1"];
  const listed = await run(onPort("list", "--market", "7", ...listing, "--market-max-price", "1"));
  const market = { market_id: 7, title: "Rain", tick_size: 0.01, lot_size: 1, max_price: 1 };
  const done = { changed: true, orders_cancelled: 0, positions_paid: 0 };
  expect([listed.code, listed.stderr, JSON.parse(listed.stdout)]).toEqual([
    ...[0, "", { market: { ...market, status: "Active" }, ...done }],
  ]);
  for (const [args, more] of [
    [["halt"], { status: "Halted" }],
    [["resume"], { status: "Active" }],
    [["settle", "--price", "0"], { status: "Closed", settlement_price: 0 }],
  ] as const) {
    const [name, ...rest] = args;
    const { code, stdout } = await run(onPort(name, "--market", "7", ...rest));
    expect([code, JSON.parse(stdout)]).toEqual([0, { market: { ...market, ...more }, ...done }]);
  }
  const url = `http://127.0.0.1:${server.opsPort}`;
  const closed = await run(
    ["close", "--market", "7", "--ops-url", url, "--ops-token-file", "token"],
    {},
  );
  expect(JSON.parse(closed.stdout)).toMatchObject({ changed: false });
});

it("market - a refusal ends with 1, and the server's code and message", async () => {
  for (const [args, text] of [
    [["halt", "--market", "9"], "MARKET_NOT_FOUND: market 9 is not listed"],
    [
      ["settle", "--market", "1001", "--price", "1.5"],
      "INVALID_MESSAGE: price 1.5 is over the market's highest, 1",
    ],
  ] as const)
    expect(await run(onPort(...args))).toEqual({
      code: 1,
      stdout: "",
      stderr: `marketcast: ${text}\n`,
    });
  const stranger = await run(onPort("halt", "--market", "1001"), { MARKETCAST_OPS_TOKEN: "wrong" });
  expect([stranger.code, stranger.stderr]).toEqual([
    ...[1, expect.stringMatching(/^marketcast: AUTH_FAILED: /)],
  ]);
});

it("market - what cannot be meant ends with 2, and asks nobody", async () => {
  for (const [args, text] of [
    [["halt"], /--market/],
    [["settle", "--market", "1001"], /--price/],
    [["settle", "--market", "1001", "--price", "-1"], /below 0/],
    [["settle", "--market", "1001", "--price", "0.1000000000000000055"], /price/],
    [["halt", "--market", "1001", "--ops-url", "localhost:9081"], /ops-url/],
    [["halt", "--market", "1001", "--ops-url", "http://user:pass@localhost:9081"], /ops-url/],
    [["halt", "--market", "1001", "--ops-port", "0"], /ops-port: 0/],
    [["halt", "--market", "x"], /0 to 2\^128/],
  ] as const) {
    const { code, stdout, stderr } = await run(args);
    expect([args, code, stdout]).toEqual([args, 2, ""]);
    expect(stderr).toMatch(text);
  }
});

it("market - a port that does not answer, or is another's, is told in a line, with 1", async () => {
  const silent = createServer(() => {});
  const other = createServer((_, response) => response.end("hello"));
  for (const one of [silent, other])
    await new Promise<void>((done) => one.listen(0, "127.0.0.1", done));
  const urlOf = (one: Server): string => `http://127.0.0.1:${(one.address() as AddressInfo).port}`;
  const halt = ["halt", "--market", "1"];
  const unanswered = await run([...halt, "--timeout", "300", "--ops-url", urlOf(silent)]);
  expect(unanswered.stderr).toMatch(/within 300 ms: it may have been done; asking again/);
  const strange = await run([...halt, "--ops-url", urlOf(other)]);
  expect(strange.stderr).toMatch(/^marketcast: no answer of 127.0.0.1:\d+: /);
  const nobodys = urlOf(other);
  for (const one of [silent, other]) {
    one.closeAllConnections();
    one.close();
  }
  const gone = await run([...halt, "--ops-url", nobodys]);
  expect(gone.stderr).toMatch(/^marketcast: no answer of 127.0.0.1:\d+: .*ECONNREFUSED/);
  expect([unanswered.code, strange.code, gone.code]).toEqual([1, 1, 1]);
});
