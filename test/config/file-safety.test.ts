import { chmodSync, mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { type FileRole, fileDangers } from "../../src/config/file-safety.js";

/** The user who runs the tests, and one who does not. */
const SELF = process.geteuid?.() ?? 0;
const OTHER = 54_321;

let root: string;
beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), "marketcast-safety-"));
});
afterEach(() => rmSync(root, { recursive: true, force: true }));

function file(name: string, mode: number): string {
  const path = join(root, name);
  writeFileSync(path, "");
  chmodSync(path, mode);
  return path;
}

function directory(name: string, mode: number): string {
  const path = join(root, name);
  mkdirSync(path);
  chmodSync(path, mode);
  return path;
}

describe.skipIf(process.platform === "win32")("file safety", () => {
  it.each<[FileRole, number, boolean]>([
    ["secret", 0o600, true],
    ["secret", 0o400, true],
    ["secret", 0o700, true],
    ["secret", 0o640, false],
    ["secret", 0o604, false],
    ["secret", 0o602, false],
    ["secret", 0o620, false],
    ["trusted", 0o644, true],
    ["trusted", 0o664, true],
    ["trusted", 0o646, false],
    ["trusted", 0o777, false],
  ])("file safety - of a %s file the mode %o is safe: %s", async (role, mode, safe) => {
    const path = file("a", mode);
    const dangers = await fileDangers(path, role);
    expect(dangers).toEqual(safe ? [] : [expect.stringContaining(`mode ${mode.toString(8)}`)]);
    if (!safe) expect(dangers[0]).toMatch(/; run: chmod (600|o-w) \//);
  });

  it.each([
    [0o700, true],
    [0o755, true],
    [0o775, true],
    [0o777, false],
    [0o1777, false],
    [0o702, false],
  ])("file safety - of a directory the mode %o is safe: %s", async (mode, safe) => {
    const dangers = await fileDangers(directory("d", mode), "directory");
    expect(dangers).toHaveLength(safe ? 0 : 1);
    if (!safe) expect(dangers[0]).toContain("anybody may write to it");
  });

  it("file safety - another owner is a danger, this user and root are none", async () => {
    for (const [path, role] of [
      [file("a", 0o600), "secret"],
      [file("b", 0o644), "trusted"],
      [directory("d", 0o700), "directory"],
    ] as const) {
      expect(await fileDangers(path, role, SELF)).toEqual([]);
      // Root's files are trusted by all.
      const dangers = await fileDangers(path, role, OTHER);
      if (SELF === 0) expect(dangers).toEqual([]);
      else
        expect(dangers[0]).toContain(`owned by user ${SELF}, neither root nor the user ${OTHER}`);
    }
  });

  it.runIf(SELF === 0)(
    "file safety - an owner who is neither is named, with what helps",
    async () => {
      const { chownSync, lchownSync } = await import("node:fs");
      const path = file("a", 0o600);
      chownSync(path, OTHER, OTHER);
      const owned = `${path}: it is owned by user ${OTHER}, neither root nor the user 0 who runs the server; run: chown 0 ${path}`;
      expect(await fileDangers(path, "secret")).toEqual([owned]);
      expect(await fileDangers(path, "secret", OTHER)).toEqual([]);
      // A link of another's leads wherever they like.
      const link = join(root, "link");
      symlinkSync(file("sound", 0o600), link);
      lchownSync(link, OTHER, OTHER);
      expect(await fileDangers(link, "secret")).toHaveLength(1);
      const data = directory("d", 0o700);
      chownSync(data, OTHER, OTHER);
      expect(await fileDangers(data, "directory")).toHaveLength(1);
    },
  );

  it("file safety - a link is as safe as what it leads to", async () => {
    const link = join(root, "link");
    const path = file("a", 0o600);
    symlinkSync(path, link);
    expect(await fileDangers(link, "secret")).toEqual([]);
    chmodSync(path, 0o644);
    expect(await fileDangers(link, "secret")).toHaveLength(1);
    const open = directory("open", 0o777);
    const inside = join(open, "a");
    writeFileSync(inside, "", { mode: 0o600 });
    const other = join(root, "other");
    symlinkSync(inside, other);
    expect(await fileDangers(other, "secret")).toEqual([
      `${other}: anybody may replace it, as ${open} has mode 777; run: chmod o-w ${open}`,
    ]);
  });

  it("file safety - a directory above that anybody may write to is a danger, unless it is sticky", async () => {
    const above = directory("above", 0o777);
    const path = join(above, "d");
    mkdirSync(path, { mode: 0o700 });
    expect(await fileDangers(path, "directory")).toHaveLength(1);
    chmodSync(above, 0o1777);
    expect(await fileDangers(path, "directory")).toEqual([]);
  });

  it("file safety - of what is not there yet, only a directory has dangers: those above it", async () => {
    const above = directory("above", 0o777);
    const path = join(above, "deep", "d");
    expect(await fileDangers(path, "secret")).toEqual([]);
    expect(await fileDangers(path, "directory")).toEqual([
      `${path}: anybody may replace it, as ${above} has mode 777; run: chmod o-w ${above}`,
    ]);
  });
});
