import { execFile } from "node:child_process";
import { existsSync, mkdtempSync, readFileSync, rmSync, statSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { Order } from "../../src/contract/messages.js";
import { FrameProxy } from "../support/frame-proxy.js";
import { type ServerProcess, startServerProcess, testToken } from "../support/server-process.js";
import { runMarketcast, startMarketcast } from "./run-marketcast.js";

const COMMAND = fileURLToPath(new URL("../../dist/cli/marketcast.js", import.meta.url));
/** A device that is always full, as Linux has it. */
const FULL = "/dev/full";
const hasFull = existsSync(FULL);
const NO_SPACE = "ENOSPC: no space left on device, write";
const SECRET = "hunter2-hunter2-hunter2-hunter2-hunter2";

let cwd: string;
let server: ServerProcess;
let proxy: FrameProxy;

beforeAll(async () => {
  cwd = mkdtempSync(join(tmpdir(), "marketcast-output-"));
  server = await startServerProcess({ feed: "exchange", "sim-traders": 0, shards: 1 });
  proxy = await FrameProxy.start(server.port);
});
afterAll(async () => {
  await proxy.close();
  await server.dispose();
  rmSync(cwd, { recursive: true, force: true });
});

let wallets = 0;
const wallet = () => `wallet-${++wallets}`;
const env = (of: string) => ({ MARKETCAST_TOKEN: testToken({ sub: of, wallet: of }) });
const url = (): string[] => ["--url", proxy.url];
const BUY = ["order", "place", "--market", "1001", "--side", "Buy", "--quantity", "10"];
const buy = (): string[] => [...BUY, "--price", "0.1", ...url()];

/** The open orders of a wallet. */
async function ordersOf(of: string): Promise<Order[]> {
  const { stdout } = await runMarketcast(["order", "list", ...url()], { cwd, env: env(of) });
  return stdout.split("\n").flatMap((line) => (line === "" ? [] : [JSON.parse(line) as Order]));
}

describe.runIf(hasFull)("output that cannot be written", () => {
  it.each<[string, () => readonly string[]]>([
    ["--help", () => ["--help"]],
    ["serve --help", () => ["serve", "--help"]],
    ["help order", () => ["help", "order"]],
    ["--version", () => ["--version"]],
    ["token", () => ["token", "--sub", "a", "--wallet", "b", "--jwt-secret", SECRET]],
    ["check-config", () => ["check-config"]],
    ["store check", () => ["store", "check", "--data-dir", server.dataDir]],
    ["tail", () => ["tail", "--channel", "SystemStatus", ...url()]],
    ["doctor", () => ["doctor", proxy.url, "--duration", "300"]],
  ])("output - %s exits with 1 and says so in a line", async (_name, args) => {
    const outcome = await runMarketcast(args(), { cwd, stdout: FULL });
    expect(outcome.stderr).toBe(`marketcast: standard output cannot be written: ${NO_SPACE}\n`);
    expect(outcome.code).toBe(1);
  });

  it("output - so do order list, order cancel and store export, which say what was done", async () => {
    const of = wallet();
    const run = (args: readonly string[]) =>
      runMarketcast(args, { cwd, env: env(of), stdout: FULL });
    const said = `marketcast: standard output cannot be written: ${NO_SPACE}`;
    const placed = await runMarketcast(buy(), { cwd, env: env(of) });
    const { order_id } = JSON.parse(placed.stdout) as Order;
    expect(await run(["order", "list", ...url()])).toMatchObject({ code: 1, stderr: `${said}\n` });
    const store = ["store", "export", "--data-dir", server.dataDir];
    expect(await run(store)).toMatchObject({ code: 1, stderr: `${said}\n` });
    const cancelled = await run(["order", "cancel", "--order-id", order_id, ...url()]);
    expect(cancelled).toMatchObject({
      code: 1,
      stderr: `${said}; the order is Cancelled all the same, and its id is ${order_id}\n`,
    });
    expect(await ordersOf(of)).toEqual([]);
  });

  it("output - files that are named fail alike", async () => {
    const exported = ["store", "export", "--data-dir", server.dataDir, "--output"];
    await runMarketcast(buy(), { cwd, env: env(wallet()) });
    const full = await runMarketcast([...exported, FULL], { cwd });
    expect(full).toMatchObject({
      code: 1,
      stderr: `marketcast: the file ${FULL} cannot be written: ${NO_SPACE}\n`,
    });
    const nowhere = await runMarketcast([...exported, "no/such/file"], { cwd });
    expect(nowhere.code).toBe(1);
    expect(nowhere.stderr).toMatch(
      /^marketcast: the file no\/such\/file cannot be written: ENOENT.*\n$/,
    );
    const report = ["doctor", proxy.url, "--duration", "300", "--json", FULL];
    const doctor = await runMarketcast(report, { cwd });
    expect(doctor).toMatchObject({
      code: 1,
      stderr: `marketcast: the file ${FULL} cannot be written: ${NO_SPACE}\n`,
    });
  });

  it("output - where nothing can be told either, the exit codes are the same", async () => {
    const both = { cwd, stdout: FULL, stderr: FULL };
    expect((await runMarketcast(["--version"], both)).code).toBe(1);
    expect((await runMarketcast(["--nonsense"], both)).code).toBe(2);
    expect((await runMarketcast(["order", "cancel"], both)).code).toBe(2);
  });
});

describe("output of which a part can be written", () => {
  it.runIf(process.platform === "linux")(
    "output - a file cut off at a limit exits with 1, and the part is no success",
    async () => {
      const file = join(cwd, "limited");
      const script = `ulimit -f 1; exec "$0" "$1" --help > "$2"`;
      const { code, stderr } = await new Promise<{ code: unknown; stderr: string }>((resolve) => {
        const args = ["-c", script, process.execPath, COMMAND, file];
        execFile("bash", args, { cwd }, (error, _stdout, stderr) =>
          resolve({ code: error?.code, stderr }),
        );
      });
      expect(statSync(file).size).toBe(1024);
      expect(stderr).toMatch(/^marketcast: standard output cannot be written: EFBIG.*\n$/);
      expect(code).toBe(1);
    },
  );
});

describe("output that nobody reads any more", () => {
  it.each<[string, readonly string[], number]>([
    ["--help", ["--help"], 0],
    ["check-config", ["check-config"], 0],
    ["token", ["token", "--sub", "a", "--wallet", "b", "--jwt-secret", SECRET], 0],
  ])("output - %s ends quietly", async (_name, args, code) => {
    const command = startMarketcast(args, { cwd });
    command.process.stdout?.destroy();
    expect(await command.outcome).toEqual({ code, stdout: "", stderr: "" });
  });
});

describe("output of an order that is placed", () => {
  const named = /^marketcast: placing the order with --client-order-id (\S+)\n/;

  it.runIf(hasFull)("order - its id is told before, and a second run places nothing", async () => {
    const of = wallet();
    const lost = await runMarketcast(buy(), { cwd, env: env(of), stdout: FULL });
    const id = named.exec(lost.stderr)?.[1] ?? "";
    expect(lost.code).toBe(1);
    expect(lost.stderr.split("\n").slice(1)).toEqual([
      `marketcast: standard output cannot be written: ${NO_SPACE}; the order is Open all the same, and asking again with --client-order-id ${id} tells, and places no second one`,
      "",
    ]);
    const again = await runMarketcast([...buy(), "--client-order-id", id], { cwd, env: env(of) });
    const order = JSON.parse(again.stdout) as Order;
    expect(order).toMatchObject({ client_order_id: id, status: "Open" });
    expect(await ordersOf(of)).toEqual([order]);
  });

  it("order - an id that was given is told as well, before anything is sent", async () => {
    let toldFirst: boolean | undefined;
    const command = startMarketcast([...buy(), "--client-order-id", "mine-1"], {
      cwd,
      env: env(wallet()),
    });
    let told = "";
    command.process.stderr?.on("data", (text: string) => {
      told += text;
    });
    proxy.rules.dropFromClient = ({ type }) => {
      if (type === "PlaceOrder") toldFirst ??= named.test(told);
      return false;
    };
    const { code, stderr } = await command.outcome;
    proxy.rules = {};
    expect([code, stderr]).toEqual([
      0,
      "marketcast: placing the order with --client-order-id mine-1\n",
    ]);
    expect(toldFirst).toBe(true);
  });

  it.runIf(hasFull)("order - one that nobody could find again is not placed", async () => {
    const of = wallet();
    const lost = { cwd, env: env(of), stdout: join(cwd, "orders"), stderr: FULL };
    expect((await runMarketcast(buy(), lost)).code).toBe(1);
    expect(await ordersOf(of)).toEqual([]);
    const known = await runMarketcast([...buy(), "--client-order-id", "mine-2"], lost);
    expect(known.code).toBe(0);
    expect(JSON.parse(readFileSync(lost.stdout, "utf8"))).toMatchObject({ status: "Open" });
  });
});
