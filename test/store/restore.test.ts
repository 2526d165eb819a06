import {
  cpSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  truncateSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { gunzipSync, gzipSync } from "node:zlib";
import { afterAll, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { backUpStore } from "../../src/store/backup.js";
import { manifestText } from "../../src/store/backup-manifest.js";
import { restoreStore } from "../../src/store/restore.js";
import type { StoreError } from "../../src/store/store-error.js";
import { drawSeed } from "../support/seeds.js";
import { openStore, temporaryDirectory } from "./directories.js";
import { engineRun, MARKETS, take } from "./engine-run.js";

const FILES = ["backup.json", "data.mdb", "journal/0000000001.journal"];
const BLOCK_BYTES = 512;

/** Of one small store: each test has copies. */
let made: string;
let dir: string;
let file: string;
let target: string;

beforeAll(async () => {
  made = mkdtempSync(join(tmpdir(), "marketcast-backups-"));
  const of = join(made, "exchange");
  const store = await openStore(of);
  await store.putMarkets(MARKETS);
  for (const changes of take(engineRun(19, 10), 3)) await store.commit(changes);
  const left = join(made, "left");
  cpSync(of, left, { recursive: true, filter: (path) => !path.endsWith(".sock") });
  await store.close();
  await backUpStore(left, join(made, "backup"));
  await backUpStore(left, join(made, "backup.tar"));
  for (const name of [of, left]) rmSync(name, { recursive: true });
});
afterAll(() => rmSync(made, { recursive: true }));
beforeEach(() => {
  const copy = temporaryDirectory();
  cpSync(made, copy, { recursive: true });
  dir = join(copy, "backup");
  file = join(copy, "backup.tar");
  target = join(temporaryDirectory(), "data", "exchange");
});

/** What it says of a backup, which is not restored; fails where it is. */
async function refusal(source: string): Promise<StoreError> {
  try {
    await restoreStore(source, target);
  } catch (error) {
    expect(readdirSync(join(target, "..")), "something is left").toEqual([]);
    return error as StoreError;
  }
  throw new Error("it was restored");
}

async function expectDamage(source: string, what: string | RegExp): Promise<void> {
  const { code, message } = await refusal(source);
  expect({ code, message }).toEqual({
    code: "STORE_DAMAGED",
    message: expect.stringMatching(what),
  });
  expect(message.startsWith(`${source} is no whole backup: `)).toBe(true);
  expect(message.endsWith("; use another one")).toBe(true);
}

const flipped = (bytes: Buffer, at: number): Buffer => {
  const changed = Buffer.from(bytes);
  changed.writeUInt8((changed[at] as number) ^ 0x01, at);
  return changed;
};

describe("restore", () => {
  it("restore - a backup without one of its files is refused", async () => {
    for (const name of FILES) {
      const bytes = readFileSync(join(dir, name));
      rmSync(join(dir, name));
      await expectDamage(dir, `${name} is missing`);
      writeFileSync(join(dir, name), bytes);
    }
    await restoreStore(dir, target);
  });

  it("restore - a backup, a file of which is cut anywhere, is refused", async () => {
    for (const name of FILES) {
      const path = join(dir, name);
      const bytes = readFileSync(path);
      const step = Math.ceil(bytes.length / 12);
      for (let end = 0; end < bytes.length - 1; end += step) {
        truncateSync(path, end);
        await expectDamage(dir, name);
        writeFileSync(path, bytes);
      }
      truncateSync(path, bytes.length - 2);
      await expectDamage(dir, name);
      writeFileSync(path, bytes);
    }
  });

  it("restore - a backup with a byte changed in any of its files is refused", async () => {
    for (const name of FILES) {
      const path = join(dir, name);
      const bytes = readFileSync(path);
      const step = Math.ceil(bytes.length / 50);
      // Where it begins is another place each time.
      for (let at = drawSeed(`restore ${name}`) % step; at < bytes.length - 1; at += step) {
        writeFileSync(path, flipped(bytes, at));
        const found = await outcome(dir);
        if (found === "restored") expect(isSpace(bytes, at), `byte ${at} of ${name}`).toBe(true);
        else expect(["STORE_DAMAGED", "STORE_VERSION"], `byte ${at} of ${name}`).toContain(found);
      }
      writeFileSync(path, bytes);
    }
  });

  it("restore - a tar that is cut at any block, or changed in any header, is refused", async () => {
    const bytes = readFileSync(file);
    for (let end = 0; end < bytes.length; end += BLOCK_BYTES * 7 - 100) {
      writeFileSync(file, bytes.subarray(0, end));
      await expectDamage(file, /./);
    }
    for (const end of [bytes.length - 1, bytes.length - BLOCK_BYTES]) {
      writeFileSync(file, bytes.subarray(0, end));
      await expectDamage(file, "it is cut off");
    }
    for (let at = 0; at < BLOCK_BYTES; at += 3) {
      writeFileSync(file, flipped(bytes, at));
      await expectDamage(file, /checksum of a header|no tar file/);
    }
    const last = bytes.length - 2 * BLOCK_BYTES;
    for (const at of [600, last - 1, last + 1, bytes.length - 1]) {
      writeFileSync(file, flipped(bytes, at));
      await expectDamage(file, /./);
    }
    writeFileSync(file, Buffer.concat([bytes, Buffer.alloc(10 * BLOCK_BYTES)]));
    await restoreStore(file, target);
  });

  it("restore - a compressed one that is cut is refused, and an unpacked one is taken", async () => {
    const packed = gzipSync(readFileSync(file));
    for (const end of [1, 9, 100, packed.length >> 1, packed.length - 1]) {
      writeFileSync(file, packed.subarray(0, end));
      await expectDamage(file, /./);
    }
    writeFileSync(file, packed);
    await restoreStore(file, target);
    expect(gunzipSync(packed).length).toBeGreaterThan(packed.length);
  });

  it("restore - what is of another version is refused as such", async () => {
    const path = join(dir, "backup.json");
    const text = readFileSync(path, "utf8");
    for (const [field, says] of [
      ['"backup": 1', "is a backup of form 99, and this version of Marketcast knows 1 alone"],
      ['"schema": 2', "has schema version 99, and this version of Marketcast knows none above 2"],
    ] as const) {
      expect(text).toContain(field);
      writeFileSync(path, text.replace(field, field.replace(/\d+/, "99")));
      const { code, message } = await refusal(dir);
      expect(code).toBe("STORE_VERSION");
      expect(message).toBe(`${dir} ${says}; run the version that made it`);
    }
  });

  it("restore - a manifest that speaks of another store, or of other files, is refused", async () => {
    const path = join(dir, "backup.json");
    const { sha256: _, backup: __, ...content } = JSON.parse(readFileSync(path, "utf8"));
    writeFileSync(path, manifestText({ ...content, commits: content.commits + 1 }));
    await expectDamage(dir, /it ends with commit 3, and had 4/);
    writeFileSync(path, manifestText({ ...content, schema: 1 }));
    await expectDamage(dir, /its store has version 2, and had 1/);
    const [data] = content.files;
    writeFileSync(path, manifestText({ ...content, files: [data] }));
    await expectDamage(dir, /it ends with commit 0, and had 3/);
    for (const name of ["../data.mdb", "/etc/passwd", "journal/../../x", "other"])
      expect(() => manifestText({ ...content, files: [{ ...data, name }] })).toThrow();
  });

  it("restore - a target that has a store, or anything else, stays as it is", async () => {
    await restoreStore(dir, target);
    const before = readFileSync(join(target, "data.mdb"));
    const exists = { code: "STORE_EXISTS", message: expect.stringContaining("move it away") };
    await expect(restoreStore(file, target)).rejects.toMatchObject(exists);
    expect(readFileSync(join(target, "data.mdb"))).toEqual(before);
    expect(readdirSync(join(target, ".."))).toEqual(["exchange"]);
    const other = join(temporaryDirectory(), "exchange");
    mkdirSync(other);
    writeFileSync(join(other, "lock.mdb"), "");
    await expect(restoreStore(file, other)).rejects.toMatchObject(exists);
    rmSync(join(other, "lock.mdb"));
    await restoreStore(file, other);
  });

  it("restore - what is no backup is told", async () => {
    const nowhere = join(dir, "nowhere");
    expect(await refusal(nowhere)).toMatchObject({
      code: "STORE_UNREADABLE",
      message: expect.stringContaining(`${nowhere} cannot be read`),
    });
    const other = join(dir, "..", "other");
    mkdirSync(other);
    await expectDamage(other, "backup.json is missing");
    writeFileSync(file, "x".repeat(2000));
    await expectDamage(file, "it is no tar file");
    const aborted = AbortSignal.abort(new Error("enough"));
    await expect(restoreStore(dir, target, aborted)).rejects.toThrow("enough");
    expect(readdirSync(join(target, ".."))).toEqual([]);
  });
});

async function outcome(source: string): Promise<string> {
  try {
    await restoreStore(source, target);
  } catch (error) {
    return (error as StoreError).code;
  }
  rmSync(target, { recursive: true });
  return "restored";
}

/** A space of the manifest, which means nothing, is another character that means nothing. */
function isSpace(bytes: Buffer, at: number): boolean {
  return bytes[at] === 0x20 || bytes[at] === 0x0a;
}
