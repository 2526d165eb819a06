import { spawn } from "node:child_process";
import { closeSync, existsSync, mkdtempSync, openSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { text } from "node:stream/consumers";
import { describe, expect, it, onTestFinished } from "vitest";

const BUILT = new URL("../../dist/feed/standard-input.js", import.meta.url);

/** Counts the bytes of standard input in a worker thread. */
const PROGRAM = `
  const { Worker } = require("node:worker_threads");
  const worker = \`
    import(${JSON.stringify(BUILT.href)}).then(async ({ openStandardInput }) => {
      let bytes = 0;
      for await (const chunk of openStandardInput()) bytes += chunk.length;
      console.log(bytes);
    });\`;
  new Worker(worker, { eval: true });
`;

async function countBytes(stdin: "pipe" | number, input?: Buffer): Promise<number> {
  const child = spawn(process.execPath, ["-e", PROGRAM], { stdio: [stdin, "pipe", "inherit"] });
  onTestFinished(() => void child.kill());
  child.stdin?.end(input);
  return Number(await text(child.stdout as NonNullable<typeof child.stdout>));
}

/** Two megabytes: more than any pipe holds. */
const INPUT = Buffer.alloc(2_000_000, "x");

describe.skipIf(!existsSync(BUILT))("standard-input (needs the build)", () => {
  it("standard-input - reads a socket, as a parent process gives it", async () => {
    expect(await countBytes("pipe", INPUT)).toBe(INPUT.length);
  });

  it("standard-input - reads a pipe of the shell", async () => {
    const command = `head -c ${INPUT.length} /dev/zero | "${process.execPath}" -e "$PROGRAM"`;
    const child = spawn("sh", ["-c", command], {
      stdio: ["ignore", "pipe", "inherit"],
      env: { ...process.env, PROGRAM },
    });
    onTestFinished(() => void child.kill());
    expect(Number(await text(child.stdout))).toBe(INPUT.length);
  });

  it("standard-input - reads a file, and nothing from /dev/null", async () => {
    const directory = mkdtempSync(join(tmpdir(), "marketcast-stdin-"));
    onTestFinished(() => rmSync(directory, { recursive: true }));
    const path = join(directory, "input");
    writeFileSync(path, INPUT);
    for (const [name, bytes] of [
      [path, INPUT.length],
      ["/dev/null", 0],
    ] as const) {
      const file = openSync(name, "r");
      onTestFinished(() => closeSync(file));
      expect(await countBytes(file)).toBe(bytes);
    }
  });
});
