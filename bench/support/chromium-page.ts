import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { WebSocket } from "ws";
import { endChild } from "./child.js";

const START_TIMEOUT_MS = 20_000;
const LISTENING = /^DevTools listening on (ws:\S+)/;

/** Path of the browser: `CHROMIUM_PATH`, or where Debian puts it; undefined where there is none. */
export const CHROMIUM = [process.env["CHROMIUM_PATH"], "/usr/bin/chromium"].find(
  (path) => path !== undefined && existsSync(path),
);

/** What of a DevTools reply is looked at here. */
interface Reply {
  readonly id?: number;
  readonly error?: { readonly message: string };
  readonly result?: {
    readonly targetId?: string;
    readonly sessionId?: string;
    readonly result?: { readonly value?: unknown };
    readonly exceptionDetails?: { readonly text: string };
  };
}

/**
 * A page in a headless Chromium of its own, spoken to by the DevTools protocol and by as little of it
 * as will do: tools that drive browsers record every frame of a WebSocket, at the page's expense.
 */
export class ChromiumPage {
  readonly #child: ChildProcess;
  readonly #profile: string;
  readonly #devTools: WebSocket;
  readonly #waiting = new Map<number, (reply: Reply) => void>();
  #session: string | undefined;
  #lastId = 0;

  private constructor(child: ChildProcess, profile: string, devTools: WebSocket) {
    this.#child = child;
    this.#profile = profile;
    this.#devTools = devTools;
    devTools.on("message", (data: Buffer) => {
      const reply = JSON.parse(data.toString()) as Reply;
      if (reply.id === undefined) return;
      this.#waiting.get(reply.id)?.(reply);
      this.#waiting.delete(reply.id);
    });
  }

  /** Starts a browser and opens `url` in it, in a window of this size in pixels. */
  static async open(url: string, width: number, height: number): Promise<ChromiumPage> {
    const profile = mkdtempSync(join(tmpdir(), "marketcast-bench-chromium-"));
    const child = spawn(
      CHROMIUM as string,
      [
        "--headless",
        "--no-sandbox",
        "--no-first-run",
        "--disable-background-networking",
        "--remote-debugging-port=0",
        `--user-data-dir=${profile}`,
        "about:blank",
      ],
      // A process group of its own, so that no helper of the browser outlives it.
      { stdio: ["ignore", "ignore", "pipe"], detached: true },
    );
    const devTools = new WebSocket(await devToolsUrl(child));
    await once(devTools, "open");
    const page = new ChromiumPage(child, profile, devTools);
    const target = await page.#ask("Target.createTarget", { url: "about:blank" });
    const { targetId } = target ?? {};
    const attached = await page.#ask("Target.attachToTarget", { targetId, flatten: true });
    page.#session = attached?.sessionId;
    const size = { width, height, deviceScaleFactor: 1, mobile: false };
    await page.#ask("Emulation.setDeviceMetricsOverride", size);
    await page.#ask("Page.navigate", { url });
    return page;
  }

  /** Value of an expression in the page; a promise's when it is fulfilled. */
  async evaluate<T>(expression: string): Promise<T> {
    const outcome = await this.#ask("Runtime.evaluate", {
      expression,
      awaitPromise: true,
      returnByValue: true,
    });
    if (outcome?.exceptionDetails !== undefined) throw new Error(outcome.exceptionDetails.text);
    return outcome?.result?.value as T;
  }

  async close(): Promise<void> {
    this.#devTools.close();
    await endChild(this.#child);
    endGroup(this.#child.pid as number);
    rmSync(this.#profile, { recursive: true, force: true, maxRetries: 5, retryDelay: 100 });
  }

  #ask(method: string, params: Readonly<Record<string, unknown>>): Promise<Reply["result"]> {
    const id = ++this.#lastId;
    this.#devTools.send(JSON.stringify({ id, method, params, sessionId: this.#session }));
    return new Promise((resolve, reject) => {
      this.#waiting.set(id, ({ error, result }) => {
        if (error === undefined) resolve(result);
        else reject(new Error(`${method}: ${error.message}`));
      });
    });
  }
}

/** Where the browser listens, which it says on stderr; its end, or silence, rejects. */
function devToolsUrl(child: ChildProcess): Promise<string> {
  return new Promise((resolve, reject) => {
    const fail = (why: string): void => {
      child.kill("SIGKILL");
      reject(new Error(`Chromium ${why}`));
    };
    const timer = setTimeout(() => fail("did not start in time"), START_TIMEOUT_MS);
    child.once("exit", () => fail("ended at its start"));
    child.once("error", reject);
    createInterface({ input: child.stderr as NodeJS.ReadableStream }).on("line", (line) => {
      const url = LISTENING.exec(line)?.[1];
      if (url === undefined) return;
      clearTimeout(timer);
      child.removeAllListeners("exit");
      resolve(url);
    });
  });
}

/** Ends what is left of a process group: a helper that still writes keeps its directory from going. */
function endGroup(leader: number): void {
  try {
    process.kill(-leader, "SIGKILL");
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "ESRCH") throw error;
  }
}
