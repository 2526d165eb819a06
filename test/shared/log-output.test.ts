import { execFileSync } from "node:child_process";
import { closeSync, constants, mkdtempSync, openSync, readSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { LogOutput } from "../../src/shared/log-output.js";
import { HAS_PROC } from "../support/process-figures.js";
import { until } from "../support/until.js";

const LINE = `${"x".repeat(99)}\n`;
/** More than a pipe takes and a thread keeps. */
const TOO_MANY = 20_000;

let folder: string;
/** A pipe, of which both ends are the test's. */
let pipe: number;
let dropped: number;
let output: LogOutput;
const listeners = process.listenerCount("exit");

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "marketcast-log-"));
  execFileSync("mkfifo", [join(folder, "pipe")]);
  pipe = openSync(join(folder, "pipe"), constants.O_RDWR | constants.O_NONBLOCK);
  dropped = 0;
  output = new LogOutput(pipe, (lines) => {
    dropped += lines;
  });
});
afterEach(() => {
  closeSync(pipe);
  rmSync(folder, { recursive: true, force: true });
});

/** Everything that is in the pipe. */
function readAll(): string {
  const chunk = Buffer.alloc(65_536);
  let text = "";
  for (;;) {
    try {
      text += chunk.toString("utf8", 0, readSync(pipe, chunk));
    } catch {
      return text;
    }
  }
}

describe("log output", () => {
  it("log output - a line is written at once", () => {
    output.write("one €\n");
    expect(readAll()).toBe("one €\n");
  });

  it("log output - a reader that stands still costs no time, and what does not fit is dropped and counted", async () => {
    const startedAt = performance.now();
    for (let number = 0; number < TOO_MANY; number++) output.write(`${number} ${LINE}`);
    expect(performance.now() - startedAt).toBeLessThan(2000);
    expect(dropped).toBeGreaterThan(TOO_MANY / 2);
    // Once it reads again it gets the lines that waited, whole and in order.
    let text = "";
    await until("all that waited has come", () => {
      text += readAll();
      return text.split("\n").length - 1 + dropped === TOO_MANY;
    });
    const lines = text.trimEnd().split("\n");
    expect(lines).toEqual(lines.map((_, number) => `${number} ${LINE.trimEnd()}`));
    output.write("the next\n");
    expect(readAll()).toBe("the next\n");
    expect(process.listenerCount("exit")).toBe(listeners);
  });

  it("log output - what cannot be written is dropped and counted, and never thrown", () => {
    const closed = new LogOutput(99_999, (lines) => {
      dropped += lines;
    });
    for (let number = 0; number < 10; number++) closed.write(LINE);
    expect(dropped).toBe(10);
  });

  it.runIf(HAS_PROC)("log output - a full disk is no end", () => {
    const full = openSync("/dev/full", "w");
    const onFull = new LogOutput(full, (lines) => {
      dropped += lines;
    });
    for (let number = 0; number < 10; number++) onFull.write(LINE);
    expect(dropped).toBe(10);
    closeSync(full);
  });
});
