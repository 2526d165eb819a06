import { execFileSync } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { readTextFile } from "../../src/shared/text-file.js";

let directory: string;
let path: string;
beforeAll(() => {
  directory = mkdtempSync(join(tmpdir(), "marketcast-text-"));
  path = join(directory, "a.txt");
});
afterAll(() => rmSync(directory, { recursive: true }));

describe("text-file", () => {
  it("text-file - gives the text of a file, without the mark it may begin with", () => {
    for (const [content, text] of [
      ["", ""],
      ["\uFEFFa\uFEFF", "a\uFEFF"],
      ["щука 🐟 \uFFFD\r\n", "щука 🐟 \uFFFD\r\n"],
      ["x".repeat(200_000), "x".repeat(200_000)],
    ] as const) {
      writeFileSync(path, content);
      expect(readTextFile(path)).toBe(text);
    }
  });

  it("text-file - a file is read up to its bound, a device without end no further", () => {
    writeFileSync(path, "12345");
    expect(readTextFile(path, 5)).toBe("12345");
    expect(() => readTextFile(path, 4)).toThrow("it has more than 4 bytes");
    expect(() => readTextFile("/dev/zero", 100_000)).toThrow("it has more than 100000 bytes");
    expect(() => readTextFile(directory)).toThrow("EISDIR");
    expect(() => readTextFile(join(directory, "none"))).toThrow("ENOENT");
  });

  it("text-file - a pipe is read to its end", () => {
    const module = new URL("../../dist/shared/text-file.js", import.meta.url).href;
    const program = `import(${JSON.stringify(module)}).then((m) => console.log(m.readTextFile("/dev/stdin").length))`;
    const shell = `head -c 200000 /dev/zero | tr '\\0' x | "$0" -e "$1"`;
    const output = execFileSync("sh", ["-c", shell, process.execPath, program]);
    expect(output.toString().trim()).toBe("200000");
  });
});
