import { mkdtempSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, it } from "vitest";
import { makeDirectory } from "../../src/shared/make-directory.js";
import { HAS_PROC } from "../support/process-figures.js";

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "marketcast-make-"));
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

const MODE = 0o700;

it("make directory - it makes what is missing, with its mode, any number of times at once", async () => {
  const path = join(folder, "a", "b", "c");
  await Promise.all(Array.from({ length: 20 }, () => makeDirectory(path, MODE)));
  for (const part of ["a", "a/b", "a/b/c"])
    expect(statSync(join(folder, part)).mode & 0o777).toBe(MODE);
  await makeDirectory(path, 0o777);
  expect(statSync(path).mode & 0o777).toBe(MODE);
});

it("make directory - a file, and what is below one, is Node's error", async () => {
  const file = join(folder, "file");
  writeFileSync(file, "");
  await expect(makeDirectory(file, MODE)).rejects.toMatchObject({ code: "EEXIST" });
  await expect(makeDirectory(join(file, "x"), MODE)).rejects.toMatchObject({ code: "ENOTDIR" });
  await expect(makeDirectory(join(file, "x", "y"), MODE)).rejects.toMatchObject({
    code: "ENOTDIR",
  });
});

it.runIf(HAS_PROC)("make directory - it ends where there can be none", async () => {
  for (const path of ["/proc/x", "/proc/x/y/z"])
    await expect(makeDirectory(path, MODE)).rejects.toMatchObject({ code: "ENOENT" });
});
