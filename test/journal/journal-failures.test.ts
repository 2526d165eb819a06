import { execFileSync } from "node:child_process";
import {
  existsSync,
  mkdirSync,
  readdirSync,
  renameSync,
  rmSync,
  truncateSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { afterEach, describe, expect, it } from "vitest";
import { append, openJournal, readAll, SMALL_SEGMENT, temporaryDirectory } from "./directories.js";
import { nodeError, TrialFiles } from "./trial-files.js";

const first = (dir: string) => join(dir, "0000000001.journal");
const LARGE = "x".repeat(SMALL_SEGMENT / 3);

describe("journal failures", () => {
  it.each(["write", "datasync"] as const)(
    "journal failures - a %s that fails leaves no record, and the next one has its number",
    async (failing) => {
      const dir = temporaryDirectory();
      const files = new TrialFiles();
      const { journal } = await openJournal(dir, { files });
      await append(journal, "one");
      await journal.probe();
      let failures = 1;
      // Behind the operation: what it did is there, and nobody knows.
      files.after = (operation, path) => {
        if (operation === failing && path === first(dir) && failures-- > 0) throw nodeError("EIO");
      };
      await expect(append(journal, "lost")).rejects.toMatchObject({
        code: "JOURNAL_WRITE_FAILED",
        message: expect.stringMatching(
          /0000000001\.journal cannot be written: EIO.*; see to the disk/,
        ),
        maybeStored: false,
      });
      expect(journal.last).toBe(1);
      expect(await append(journal, "two")).toBe(2);
      await journal.close();
      expect((await openJournal(dir)).records).toEqual(["one", "two"]);
    },
  );

  it("journal failures - while the disk takes nothing, what it may have is said to be uncertain", async () => {
    const dir = temporaryDirectory();
    const files = new TrialFiles();
    const { journal } = await openJournal(dir, { files });
    await append(journal, "one");
    await journal.probe();
    files.before = (operation, path) => {
      if (operation === "datasync" || (operation === "write" && path !== first(dir)))
        throw nodeError("EIO");
    };
    await expect(append(journal, "perhaps")).rejects.toMatchObject({ maybeStored: true });
    for (let attempt = 0; attempt < 3; attempt++) {
      await expect(journal.probe()).rejects.toMatchObject({ code: "JOURNAL_WRITE_FAILED" });
      await expect(append(journal, "no")).rejects.toMatchObject({
        code: "JOURNAL_WRITE_FAILED",
        maybeStored: false,
      });
    }
    // A process that died now would find it, as it is in the file.
    expect(await readAll(dir)).toEqual(["one", "perhaps"]);

    files.before = () => {};
    await journal.probe();
    expect(await readAll(dir)).toEqual(["one"]);
    expect(await append(journal, "two")).toBe(2);
    await journal.close();
    expect((await openJournal(dir)).records).toEqual(["one", "two"]);
  });

  it("journal failures - without room for a segment ahead, what fits goes on; with room again, the rest", async () => {
    const dir = temporaryDirectory();
    const files = new TrialFiles();
    const { journal } = await openJournal(dir, { files });
    await append(journal, LARGE);
    await journal.probe();
    files.before = (operation, path) => {
      if (operation === "write" && path.endsWith("preparing")) throw nodeError("ENOSPC");
    };
    await append(journal, LARGE);
    await append(journal, LARGE);
    await expect(journal.probe()).rejects.toMatchObject({ code: "JOURNAL_WRITE_FAILED" });
    await append(journal, LARGE);
    for (let attempt = 0; attempt < 2; attempt++) {
      await expect(append(journal, LARGE)).rejects.toMatchObject({
        code: "JOURNAL_WRITE_FAILED",
        message: expect.stringMatching(
          /0000000003\.journal cannot be .*ENOSPC.*free or add disk space/,
        ),
        maybeStored: false,
      });
    }
    expect(await append(journal, "small")).toBe(5);
    expect(existsSync(join(dir, "preparing"))).toBe(false);
    files.before = () => {};
    await journal.probe();
    expect(await append(journal, LARGE)).toBe(6);
    await journal.close();
    expect((await openJournal(dir)).records).toEqual([LARGE, LARGE, LARGE, LARGE, "small", LARGE]);
  });

  it.each(["EROFS", "EACCES"])(
    "journal failures - where the directory gives %s, nothing is written until it can be",
    async (code) => {
      const files = new TrialFiles();
      files.before = (operation) => {
        if (operation === "open" || operation === "rename") throw nodeError(code);
      };
      const { journal, records } = await openJournal(temporaryDirectory(), { files });
      expect(records).toEqual([]);
      for (let attempt = 0; attempt < 2; attempt++) {
        await expect(append(journal, "one")).rejects.toMatchObject({
          code: "JOURNAL_WRITE_FAILED",
          message: expect.stringMatching(/0000000001\.journal .*; see to its owner and mode/),
          maybeStored: false,
        });
      }
      files.before = () => {};
      await journal.probe();
      expect(await append(journal, "one")).toBe(1);
    },
  );

  it("journal failures - a file or directory that cannot be read is told with its path", async () => {
    const dir = temporaryDirectory();
    const { journal } = await openJournal(dir);
    await append(journal, "one");
    await journal.close();
    const files = new TrialFiles();
    files.before = (operation) => {
      if (operation === "read") throw nodeError("EIO");
    };
    await expect(openJournal(dir, { files })).rejects.toMatchObject({
      code: "JOURNAL_UNREADABLE",
      message: expect.stringMatching(/0000000001\.journal cannot be read: EIO/),
    });
    files.before = (operation) => {
      if (operation === "list") throw nodeError("EACCES");
    };
    await expect(openJournal(dir, { files })).rejects.toMatchObject({
      code: "JOURNAL_UNREADABLE",
      message: expect.stringContaining(dir),
    });
    const file = join(dir, "file");
    writeFileSync(file, "");
    await expect(openJournal(join(file, "journal"))).rejects.toMatchObject({
      code: "JOURNAL_UNREADABLE",
    });
  });

  it.each<[string, (dir: string) => void]>([
    ["the segment has been removed", (dir) => rmSync(first(dir))],
    ["the segment has been moved", (dir) => renameSync(first(dir), `${dir}-moved`)],
    ["the directory has been removed", (dir) => rmSync(dir, { recursive: true })],
    ["the directory has been moved", (dir) => renameSync(dir, `${dir}-moved`)],
    ["the segment has been cut", (dir) => truncateSync(first(dir), 512)],
  ])(
    "journal failures - after %s it goes on when the store contains what was in it",
    async (_, harm) => {
      const dir = join(temporaryDirectory(), "journal");
      const { journal } = await openJournal(dir);
      for (const payload of ["one", "two"]) await append(journal, payload);
      await journal.probe();
      harm(dir);
      await expect(append(journal, "lost")).rejects.toMatchObject({
        code: "JOURNAL_SEGMENT_MISSING",
        message: expect.stringMatching(
          /0000000001\.journal is gone: it was removed, moved or cut while/,
        ),
      });
      for (let attempt = 0; attempt < 2; attempt++) {
        await expect(append(journal, "lost")).rejects.toMatchObject({
          code: "JOURNAL_SEGMENT_MISSING",
          message: expect.stringMatching(
            /the records 1 to 2; nothing can be written until the store/,
          ),
        });
        await expect(journal.probe()).rejects.toMatchObject({ code: "JOURNAL_SEGMENT_MISSING" });
      }
      await journal.release(2);
      await journal.probe();
      expect(await append(journal, "three")).toBe(3);
      await journal.close();
      // What is left of it is no matter of the next start.
      expect(existsSync(first(dir))).toBe(false);
      expect((await openJournal(dir, { after: 2 })).records).toEqual(["three"]);
    },
  );

  it("journal failures - a segment that cannot be removed is tried again", async () => {
    const dir = temporaryDirectory();
    const files = new TrialFiles();
    const { journal } = await openJournal(dir, { files });
    for (let at = 0; at < 6; at++) await append(journal, LARGE);
    files.before = (operation) => {
      if (operation === "remove") throw nodeError("EBUSY");
    };
    await expect(journal.release(6)).rejects.toMatchObject({ code: "JOURNAL_WRITE_FAILED" });
    expect(existsSync(first(dir))).toBe(true);
    files.before = () => {};
    await journal.release(6);
    expect(existsSync(first(dir))).toBe(false);
  });
});

/** Mounting takes root, on Linux. */
const mayMount = process.platform === "linux" && process.getuid?.() === 0;

describe.skipIf(!mayMount)("journal failures on a small disk", () => {
  const MIB = 1024 * 1024;
  let disk: string | undefined;
  afterEach(() => {
    if (disk !== undefined) execFileSync("umount", ["--lazy", disk]);
    disk = undefined;
  });

  function mount(): string {
    disk = join(temporaryDirectory(), "disk");
    mkdirSync(disk);
    execFileSync("mount", ["-t", "tmpfs", "-o", "size=4m", "tmpfs", disk]);
    return disk;
  }

  it("journal failures on a small disk - full, and with room again", async () => {
    const dir = join(mount(), "journal");
    const { journal } = await openJournal(dir, { segmentBytes: MIB });
    const payload = "x".repeat(MIB / 4);
    let count = 0;
    let failure: unknown;
    while (failure === undefined)
      failure = await append(journal, payload).then(
        () => void ++count,
        (error: unknown) => error,
      );
    expect(failure).toMatchObject({
      code: "JOURNAL_WRITE_FAILED",
      message: expect.stringMatching(/no space left on device.*; free or add disk space/),
    });
    expect(count).toBeGreaterThan(8);
    await journal.release(count);
    await journal.probe();
    expect(await append(journal, payload)).toBe(count + 1);
    await journal.close();
    const again = await openJournal(dir, { after: count, segmentBytes: MIB });
    expect(again.records).toEqual([payload]);
    expect(readdirSync(dir)).not.toContain("preparing");
  });

  it("journal failures on a small disk - read-only, and writable again", async () => {
    const where = mount();
    const dir = join(where, "journal");
    const before = await openJournal(dir, { segmentBytes: MIB });
    await append(before.journal, "one");
    await before.journal.close();
    execFileSync("mount", ["-o", "remount,ro", where]);
    const { journal, records } = await openJournal(dir, { segmentBytes: MIB });
    expect(records).toEqual(["one"]);
    await expect(append(journal, "two")).rejects.toMatchObject({
      code: "JOURNAL_WRITE_FAILED",
      message: expect.stringMatching(/read-only file system.*; see to its owner and mode/),
    });
    execFileSync("mount", ["-o", "remount,rw", where]);
    await journal.probe();
    expect(await append(journal, "two")).toBe(2);
    await journal.close();
    expect((await openJournal(dir, { segmentBytes: MIB })).records).toEqual(["one", "two"]);
  });
});
