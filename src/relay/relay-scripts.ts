import type { RedisArgument } from "redis";
import { ANSWER_MS_MAX, type RedisLink, RedisLinkError, type RedisReply } from "./redis-link.js";
import { entryId, type RelayKeys } from "./relay-keys.js";

/*
 * What must not be done in parts. Each looks first whether an origin with a higher number has written, and then
 * writes nothing. A Redis that has forgotten the number is told it again.
 */

const FENCED_OUT = -1;
const BEHIND = -2;
const FULL = -3;
const FENCE = `
local known = tonumber(redis.call('GET', KEYS[2]) or '0')
local own = tonumber(ARGV[1])
if known > own then return ${FENCED_OUT} end
if known < own then redis.call('SET', KEYS[2], ARGV[1]) end
`;

/** Appends an entry, unless it is there, and removes older ones; only these where Redis has no room for more. */
const APPEND = `${FENCE}
local added = redis.pcall('XADD', KEYS[1], 'MINID', '~', ARGV[2], ARGV[3], 'e', ARGV[4])
if type(added) == 'table' and added.err then
  if string.find(added.err, 'OOM') then
    redis.call('XTRIM', KEYS[1], 'MINID', ARGV[2])
    return ${FULL}
  end
  if not string.find(added.err, 'equal or smaller') then return redis.error_reply(added.err) end
  if #redis.call('XRANGE', KEYS[1], ARGV[3], ARGV[3]) > 0 then return 0 end
  return ${BEHIND}
end
return 1
`;

/** Writes markets of the snapshot, or all of it; the former only where it is of this epoch. */
const SNAPSHOT = `${FENCE}
if ARGV[2] == '1' then
  redis.call('DEL', KEYS[1])
elseif redis.call('HGET', KEYS[1], 'epoch') ~= ARGV[3] then
  return 0
end
redis.call('HSET', KEYS[1], 'epoch', ARGV[3], 'head', ARGV[4])
for at = 5, #ARGV, 2 do redis.call('HSET', KEYS[1], ARGV[at], ARGV[at + 1]) end
return 1
`;

/** Puts an answer where its edge waits for it, for so many seconds. */
const ANSWER = `${FENCE}
redis.call('RPUSH', KEYS[1], ARGV[2])
redis.call('EXPIRE', KEYS[1], ARGV[3])
return 1
`;
/** An answer that nobody fetches goes after so many seconds. */
const ANSWER_TTL_S = 30;

/** What became of an entry: there now, there before, or its number is behind those of the stream. */
type Appended = "added" | "repeated" | "behind";

/** Another origin, with a higher number, has taken over. */
export class FencedOutError extends Error {}

/** By the names under which Redis has them. */
interface Loaded {
  readonly append: string;
  readonly snapshot: string;
  readonly answer: string;
}

/** Writes to the relay's keys on one connection, as the origin of a number. */
export class RelayScripts {
  readonly #link: RedisLink;
  readonly #keys: RelayKeys;
  readonly #fence: string;
  readonly #loaded: Loaded;

  private constructor(link: RedisLink, keys: RelayKeys, fence: number, loaded: Loaded) {
    this.#link = link;
    this.#keys = keys;
    this.#fence = String(fence);
    this.#loaded = loaded;
  }

  static async load(link: RedisLink, keys: RelayKeys, fence: number): Promise<RelayScripts> {
    const load = async (script: string): Promise<string> =>
      String(await link.send(["SCRIPT", "LOAD", script]));
    const scripts = [APPEND, SNAPSHOT, ANSWER].map(load);
    const [append = "", snapshot = "", answer = ""] = await Promise.all(scripts);
    return new RelayScripts(link, keys, fence, { append, snapshot, answer });
  }

  /**
   * Appends an entry. Rejects with FencedOutError or RedisLinkError.
   * @param oldest entries with lower batch numbers may go
   * @param answerMsMax how long it may take, in ms; with 0 the caller looks after that
   */
  async append(
    batch: number,
    entry: Buffer,
    oldest: number,
    answerMsMax: number,
  ): Promise<Appended> {
    const { stream, fence } = this.#keys;
    const id = entryId(batch, Number(this.#fence));
    const args = [this.#fence, String(oldest), id, entry];
    const result = await this.#run(this.#loaded.append, stream, fence, args, answerMsMax);
    if (result === FULL)
      throw new RedisLinkError("REDIS_REFUSED", "redis: it has no memory for more (maxmemory)");
    if (result === 1) return "added";
    return result === BEHIND ? "behind" : "repeated";
  }

  /**
   * Writes the snapshot's head and markets, at once; returns whether it has: one that is of another epoch has to
   * be written as a whole.
   */
  async snapshot(
    whole: boolean,
    epoch: string,
    head: Buffer,
    markets: readonly (readonly [slot: number, market: Buffer])[],
  ): Promise<boolean> {
    const { snapshot, fence } = this.#keys;
    const fields = markets.flatMap(([slot, market]) => [String(slot), market]);
    const args = [this.#fence, whole ? "1" : "0", epoch, head, ...fields];
    return (await this.#run(this.#loaded.snapshot, snapshot, fence, args)) === 1;
  }

  /** Answers an ask. */
  async answer(ask: string, answer: Buffer): Promise<void> {
    const { fence } = this.#keys;
    const args = [this.#fence, answer, String(ANSWER_TTL_S)];
    await this.#run(this.#loaded.answer, this.#keys.answer(ask), fence, args);
  }

  async #run(
    script: string,
    key: string,
    fence: string,
    args: readonly RedisArgument[],
    answerMsMax = ANSWER_MS_MAX,
  ): Promise<RedisReply> {
    const command = ["EVALSHA", script, "2", key, fence, ...args];
    const result = await this.#link.send(command, answerMsMax);
    if (result === FENCED_OUT) throw new FencedOutError("relay: another origin has taken over");
    if (typeof result !== "number")
      throw new RedisLinkError("REDIS_REFUSED", "redis: a script's answer is no number");
    return result;
  }
}
