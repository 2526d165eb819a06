import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { readOpsToken } from "../../src/config/ops-token.js";

let root: string;
let path: string;
beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), "marketcast-token-"));
  path = join(root, "token");
});
afterEach(() => rmSync(root, { recursive: true, force: true }));

const ofFile = (content: string | Buffer) => {
  writeFileSync(path, content);
  return readOpsToken({ opsToken: undefined, opsTokenFile: path });
};
const given = (opsToken: string | undefined) => readOpsToken({ opsToken, opsTokenFile: undefined });

describe("ops token", () => {
  it("ops token - is what is given, or what is in the file without its line break", async () => {
    expect(await given(undefined)).toBeUndefined();
    expect(await given("hunter2!#~")).toBe("hunter2!#~");
    expect(await ofFile("hunter2\n")).toBe("hunter2");
    expect(await ofFile("  hunter2\r\n\n")).toBe("hunter2");
    expect(await ofFile("x".repeat(4096))).toHaveLength(4096);
  });

  it.each([
    "",
    " ",
    "hunter2 hunter2",
    "hunter2\nhunter2",
    "hunter2é",
    "hunter2\0",
    "x".repeat(4097),
  ])("ops token - %j is refused, and not quoted", async (token) => {
    const file = await ofFile(token).catch((error: Error) => error);
    const flag = await given(token).catch((error: Error) => error);
    for (const error of [file, flag]) {
      expect(error).toMatchObject({ name: "ConfigurationError" });
      expect(`${error}`).toMatch(/ops-token.* is no token of 1 to 4096 printable/);
      expect(`${error}`).not.toContain("hunter2");
    }
  });

  it("ops token - a file that is missing, a directory or without end is refused", async () => {
    const read = (opsTokenFile: string) => readOpsToken({ opsToken: undefined, opsTokenFile });
    await expect(read(path)).rejects.toThrow(`ops-token-file: ${path} cannot be read: ENOENT`);
    await expect(read(root)).rejects.toThrow("EISDIR");
    await expect(ofFile("x".repeat(1_000_000))).rejects.toThrow("is no token");
  });

  it.skipIf(process.platform === "win32")(
    "ops token - a device without end is refused",
    async () => {
      const endless = { opsToken: undefined, opsTokenFile: "/dev/zero" };
      await expect(readOpsToken(endless)).rejects.toThrow("is no token");
    },
  );
});
