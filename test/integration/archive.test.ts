import { execFileSync } from "node:child_process";
import {
  mkdir,
  mkdtemp,
  open,
  readdir,
  readFile,
  rename,
  rm,
  statfs,
  writeFile,
} from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { type ServerProcess, startServerProcess } from "../support/server-process.js";
import { TestClient } from "../support/test-client.js";
import { until } from "../support/until.js";

interface Trade {
  readonly trade_id: string;
  readonly seq: number;
  readonly ts: number;
  readonly epoch?: string;
}

const MARKET = { market_id: 1001, title: "A", status: "Active", tick_size: 0.01, lot_size: 1 };
const HISTORY_BEHIND_MS_MAX = 1000;

let folder: string;
let server: ServerProcess | undefined;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "archive-"));
});
afterEach(async () => {
  await server?.dispose();
  await rm(folder, { recursive: true, force: true });
});

/** A server of trades from standard input, its one market listed. */
async function startFeed(flags: Readonly<Record<string, string | number>> = {}) {
  const started = await startServerProcess(
    { feed: "stdin", shards: 1, "data-dir": join(folder, "data"), ...flags },
    { threadEnds: true, stdin: "pipe" },
  );
  server = started;
  started.feed({ type: "market", ...MARKET });
  await until("the market is listed", async () => {
    const answer = await fetch(`http://127.0.0.1:${started.port}/v3/markets/1001`);
    return answer.ok;
  });
  return started;
}

function trade(trade_id: string) {
  return {
    type: "trade",
    market_id: 1001,
    price: 5,
    quantity: 1,
    taker_side: "Buy",
    trade_id,
  };
}

/** Newest first, over HTTP; undefined while there is no archive. */
async function latest(port: number, limit: number): Promise<readonly Trade[] | undefined> {
  const answer = await fetch(`http://127.0.0.1:${port}/v3/markets/1001/trades?limit=${limit}`);
  if (answer.status === 503) return undefined;
  const page = (await answer.json()) as { readonly trades: readonly Trade[] };
  return page.trades;
}

async function untilArchived(port: number, trade_id: string): Promise<void> {
  await until(`${trade_id} is archived`, async () =>
    (await latest(port, 1000))?.some((one) => one.trade_id === trade_id),
  );
}

describe("archive", () => {
  it("archive - is at most 1 s behind, a page is the same in each encoding, a stalled archivist is restarted", async () => {
    const running = await startFeed({ "stall-timeout": 1000 });
    const { port } = running;
    running.feed(...Array.from({ length: 250 }, (_, at) => trade(`t-${at}`)));
    await untilArchived(port, "t-249");
    let best = Number.POSITIVE_INFINITY;
    for (let attempt = 0; attempt < 3; attempt++) {
      const toldAt = performance.now();
      running.feed(trade(`timed-${attempt}`));
      await untilArchived(port, `timed-${attempt}`);
      best = Math.min(best, performance.now() - toldAt);
    }
    expect(best).toBeLessThan(HISTORY_BEHIND_MS_MAX);

    const overHttp = await latest(port, 200);
    for (const encoding of ["json", "msgpack", "protobuf"] as const) {
      const client = await TestClient.connect(port, { encoding });
      const first = await client.request({
        type: "TradeHistory",
        data: { market_id: 1001, limit: 120 },
      });
      if (first.type !== "TradePage") throw new Error(JSON.stringify(first));
      const second = await client.request({
        type: "TradeHistory",
        data: { market_id: 1001, limit: 80, before: first.data.next },
      });
      if (second.type !== "TradePage") throw new Error(JSON.stringify(second));
      expect([...first.data.trades, ...second.data.trades]).toEqual(overHttp);
      await client.close();
    }

    running.command({ stallArchivist: true });
    running.feed(trade("while-it-is-stalled"));
    await running.logged(({ msg }) => msg === "the archivist shows no life and is restarted");
    await untilArchived(port, "while-it-is-stalled");
    expect(await running.metric("marketcast_archivist_starts_total")).toBe(2);
    expect(await running.metric("marketcast_archive_gaps_total")).toBe(0);
  }, 30_000);

  it("archive - the records take no more than --archive-size, and ts goes on behind what is noted", async () => {
    const size = 1 << 20;
    const first = await startFeed({ "archive-size": size });
    first.feed(trade("oldest"));
    await untilArchived(first.port, "oldest");
    const oldest = (await latest(first.port, 1))?.[0]?.ts as number;
    for (let batch = 0; batch < 20; batch++) {
      first.feed(...Array.from({ length: 2000 }, (_, at) => trade(`t-${batch}-${at}`)));
      await untilArchived(first.port, `t-${batch}-1999`);
    }
    await until("the oldest are gone", async () => {
      const url = `http://127.0.0.1:${first.port}/v3/markets/1001/trades?to=${oldest + 1}`;
      const { trades } = (await (await fetch(url)).json()) as { trades: readonly Trade[] };
      return trades.length === 0 && (await first.metric("marketcast_archive_bytes")) <= size;
    });
    const told = (await latest(first.port, 1)) as readonly Trade[];
    await first.dispose();

    const notes = join(folder, "data", "archive", "told-ts");
    const noted = Number(await readFile(notes, "utf8"));
    expect(noted).toBeGreaterThanOrEqual(told[0]?.ts as number);
    // As if the clock had been set back by a minute.
    await writeFile(notes, `${noted + 60_000_000}\n`);
    const second = await startFeed({ "archive-size": size });
    second.feed(trade("after"));
    await untilArchived(second.port, "after");
    const [after] = (await latest(second.port, 1)) as readonly Trade[];
    expect(after?.ts).toBeGreaterThan(noted + 60_000_000);
  }, 30_000);

  it("archive - one whose file is removed or replaced while it is open is made again", async () => {
    const dir = join(folder, "data", "archive");
    const running = await startServerProcess({
      feed: "exchange",
      shards: 1,
      "data-dir": join(folder, "data"),
      "feed-rate": 500,
    });
    server = running;
    const generations = (): Promise<number> => running.metric("marketcast_archivist_starts_total");
    const first = async (): Promise<Trade | undefined> => {
      const all = await latest(running.port, 1000);
      return all?.at(-1)?.seq === 1 ? all.at(-1) : undefined;
    };
    const began = await until("there is history", first);
    const harm = [
      () => rm(join(dir, "data.mdb")),
      () => rm(dir, { recursive: true }),
      async () => {
        const file = join(dir, "data.mdb");
        await writeFile(`${file}.copy`, await readFile(file));
        await rename(`${file}.copy`, file);
      },
    ];
    for (const [count, doHarm] of harm.entries()) {
      await doHarm();
      await until("another is begun", async () => (await generations()) === count + 2, 10_000);
      expect(await until("history is there again", first, 10_000)).toEqual(began);
      expect(await readdir(dir)).toContain("data.mdb");
    }
    expect((await running.ops("/readyz")).status).toBe(200);
  }, 60_000);

  it("archive - one that is damaged is moved aside and made again, with each seq, ts and epoch", async () => {
    const flags = {
      feed: "exchange",
      shards: 1,
      "data-dir": join(folder, "data"),
      "feed-rate": 1000,
      "markets-file": join(folder, "markets.json"),
    };
    await writeFile(flags["markets-file"], JSON.stringify([MARKET]));
    const told: Trade[] = [];
    const listen = async ({ port }: ServerProcess, count: number) => {
      const client = await TestClient.connect(port);
      const connected = await client.next();
      if (connected.type !== "Connected") throw new Error(connected.type);
      const { epoch } = connected.data;
      await client.subscribe({ type: "Trades", params: { market_id: 1001 } });
      for (let heard = 0; heard < count; ) {
        const message = await client.next();
        if (message.type !== "TradeExecution") continue;
        const { trade_id, seq, ts } = message.data.trade;
        told.push({ trade_id, seq, ts, ...(epoch !== undefined && { epoch }) });
        heard++;
      }
      await client.close();
    };
    for (let run = 0; run < 2; run++) {
      server = await startServerProcess(flags);
      await listen(server, 40);
      await untilArchived(server.port, told.at(-1)?.trade_id as string);
      await server.stop();
    }
    const file = await open(join(folder, "data", "archive", "data.mdb"), "r+");
    // Behind the two pages of meta data: all that could be found.
    await file.write(Buffer.alloc(40_960, 0xa5), 0, 40_960, 8192);
    await file.close();

    server = await startServerProcess(flags);
    const { port } = server;
    const line = await server.logged(
      ({ msg }) => msg === "the archive was damaged and has been moved aside; another one is begun",
    );
    expect(line["movedTo"]).toContain("archive-damaged-");
    expect(await readdir(line["movedTo"] as string)).toContain("data.mdb");
    await listen(server, 1);
    const ids = new Map<string, Trade>();
    await until("all is there again", async () => {
      let to = Number.MAX_SAFE_INTEGER;
      for (;;) {
        const answer = await fetch(
          `http://127.0.0.1:${port}/v3/markets/1001/trades?limit=1000&to=${to}`,
        );
        const { trades = [] } = (await answer.json()) as { trades?: readonly Trade[] };
        for (const one of trades) ids.set(one.trade_id, one);
        const oldest = trades.at(-1);
        if (oldest === undefined || trades.length < 1000) break;
        to = oldest.ts;
      }
      return told.every(({ trade_id }) => ids.has(trade_id));
    });
    const present = told.at(-1)?.epoch;
    for (const { trade_id, seq, ts, epoch } of told)
      expect(ids.get(trade_id)).toMatchObject({
        trade_id,
        seq,
        ts,
        ...(epoch !== present && { epoch }),
      });
    expect(new Set(told.map(({ epoch }) => epoch)).size).toBe(3);
  }, 30_000);

  it("archive - a full disk leaves history behind, says so, and loses nothing that the ring still has", async (test) => {
    const disk = join(folder, "disk");
    await mkdir(disk);
    try {
      execFileSync("mount", ["-t", "tmpfs", "-o", "size=8m", "tmpfs", disk], { stdio: "ignore" });
    } catch {
      return test.skip("a disk cannot be mounted here");
    }
    try {
      const running = await startFeed({ "data-dir": join(disk, "data") });
      const { port } = running;
      running.feed(trade("before"));
      await untilArchived(port, "before");
      const { bavail, bsize } = await statfs(disk);
      await writeFile(join(disk, "filler"), Buffer.alloc(bavail * bsize));
      const status = async () => JSON.stringify(await (await running.ops("/status")).json());
      let fed = 0;
      await until("it is said", async () => {
        // The file has some room of its own.
        running.feed(...Array.from({ length: 200 }, () => trade(`full-${fed++}`)));
        return (await status()).includes("the archive cannot be");
      });
      running.feed(trade("while-it-is-full"));
      await rm(join(disk, "filler"));
      await untilArchived(port, "while-it-is-full");
      await until("it is well again", async () => !(await status()).includes("the archive"));
      expect(await running.metric("marketcast_archive_gaps_total")).toBe(0);
      const found = (await latest(port, 1000)) as readonly Trade[];
      const seqs = found.map(({ seq }) => seq);
      expect(seqs).toEqual(seqs.map((_, at) => fed + 2 - at));
    } finally {
      await server?.dispose();
      execFileSync("umount", ["-l", disk]);
    }
  }, 30_000);
});
