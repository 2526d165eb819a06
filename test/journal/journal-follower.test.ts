import { afterEach, describe, expect, it } from "vitest";
import { JournalFollower } from "../../src/journal/journal-follower.js";
import { append, openJournal, SMALL_SEGMENT, temporaryDirectory } from "./directories.js";
import { nodeError, TrialFiles } from "./trial-files.js";

const followers: JournalFollower[] = [];
afterEach(async () => {
  await Promise.all(followers.splice(0).map((follower) => follower.close()));
});

async function follow(dir: string, next: number): Promise<JournalFollower> {
  const follower = await JournalFollower.open(dir, next);
  followers.push(follower);
  return follower;
}

const texts = (records: readonly { readonly payload: Buffer }[]) =>
  records.map(({ payload }) => payload.toString("latin1"));

describe("journal follower", () => {
  it("journal follower - reads each record once, from any one on, over segments", async () => {
    const dir = temporaryDirectory();
    const { journal } = await openJournal(dir);
    const all: string[] = [];
    await append(journal, "0");
    all.push("0");
    const [whole, later] = [await follow(dir, 1), await follow(dir, 2)];
    const read: string[][] = [[], []];
    for (let at = 1; at < 60; at++) {
      const text = `${at} `.padEnd(900 + ((at * 331) % 1500), "x");
      all.push(text);
      await append(journal, text);
      if (at % 7 !== 0) continue;
      for (const [of, follower] of [whole, later].entries())
        while (follower.next <= journal.last)
          read[of]?.push(...texts(await follower.read(journal.last, 4000)));
    }
    read[0]?.push(...texts(await whole.read(journal.last, 1e9)));
    read[1]?.push(...texts(await later.read(journal.last, 1e9)));
    expect(read).toEqual([all, all.slice(1)]);
    expect(texts(await (await follow(dir, 31)).read(40, 1e9))).toEqual(all.slice(30, 40));
    expect(await whole.read(journal.last, 1e9)).toEqual([]);
  });

  it("journal follower - says where records have been removed, at its beginning and later", async () => {
    const dir = temporaryDirectory();
    const { journal } = await openJournal(dir);
    const early = await append(journal, "a").then(() => follow(dir, 1));
    for (let at = 0; at < 60; at++) await append(journal, "b".repeat(900));
    await journal.release(journal.last);
    await expect(JournalFollower.open(dir, 3)).rejects.toMatchObject({ code: "JOURNAL_GAP" });
    // Its segment can be read though it is removed; the one behind it is not there.
    const first = await early.read(journal.last, 1e9).catch((error: Error) => error);
    if (!(first instanceof Error)) expect(first.length).toBeLessThan(20);
    await expect(early.read(journal.last, 1e9)).rejects.toMatchObject({ code: "JOURNAL_GAP" });
  });

  it("journal follower - reads of what a failed write has left nothing", async () => {
    const dir = temporaryDirectory();
    const files = new TrialFiles();
    const { journal } = await openJournal(dir, { files });
    await append(journal, "before");
    const follower = await follow(dir, 1);
    files.before = (operation) => {
      if (operation !== "datasync") return;
      files.before = () => {};
      throw nodeError("EIO");
    };
    await expect(append(journal, "void")).rejects.toMatchObject({ code: "JOURNAL_WRITE_FAILED" });
    await append(journal, "after");
    expect(texts(await follower.read(journal.last, 1e9))).toEqual(["before", "after"]);
    expect(texts(await (await follow(dir, 2)).read(2, 1e9))).toEqual(["after"]);
  });

  it("journal follower - reads a record that has a segment of its own size", async () => {
    const dir = temporaryDirectory();
    const large = "l".repeat(SMALL_SEGMENT * 40);
    const { journal } = await openJournal(dir, { largestBytes: 1 << 20 });
    const all = ["small", large, "next", large, large, "last"];
    for (const text of all) await append(journal, text);
    expect(texts(await (await follow(dir, 1)).read(journal.last, 1e9))).toEqual(all);
    await journal.close();
    expect((await openJournal(dir)).records).toEqual(all);
    const tooLarge = "l".repeat(1 << 20);
    const { journal: again } = await openJournal(dir, { largestBytes: 1 << 20 });
    await expect(append(again, tooLarge)).rejects.toMatchObject({
      code: "JOURNAL_RECORD_TOO_LARGE",
    });
  });

  it("journal follower - so much of what nobody needs stays as it is told to keep", async () => {
    const dir = temporaryDirectory();
    const { journal } = await openJournal(dir, { keptBytes: 4 * SMALL_SEGMENT });
    for (let at = 0; at < 80; at++) await append(journal, "b".repeat(900));
    await journal.release(journal.last);
    await expect(JournalFollower.open(dir, 1)).rejects.toMatchObject({ code: "JOURNAL_GAP" });
    const kept = await follow(dir, journal.last - 20);
    expect(await kept.read(journal.last, 1e9)).toHaveLength(21);
  });
});
