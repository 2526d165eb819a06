import type { RedisArgument } from "redis";
import { type RedisLink, RedisLinkError } from "../redis-link.js";
import type { LinkKeys } from "./link-keys.js";
import { idOf } from "./link-streams.js";

/** How long a stream that nobody writes to any more stays. */
const KEPT_S = 60;
const CALLS_KEPT = 100;

/*
 * What must not be done in parts. Each looks first whether there is an origin with a higher fence than that of the
 * entry, and then writes nothing and returns that, negated.
 */
const FENCE = `
local known = tonumber(redis.call('GET', KEYS[2]) or '0')
local own = tonumber(ARGV[1])
if known > own then return -known end
`;

/**
 * Appends an entry under its number, unless it is there, and removes those that its reader has. Whoever appends the
 * first one has claimed the stream's name: another one's first entry is not taken, which is 0.
 */
const APPEND = `${FENCE}
local added = redis.pcall('XADD', KEYS[1], 'MINID', '~', ARGV[2], ARGV[3], 'e', ARGV[4])
if type(added) == 'table' and added.err then
  if not string.find(added.err, 'equal or smaller') then return redis.error_reply(added.err) end
  if ARGV[3] == '${idOf(1)}' then
    local first = redis.call('XRANGE', KEYS[1], ARGV[3], ARGV[3])[1]
    if not first or first[2][2] ~= ARGV[4] then return 0 end
  end
end
redis.call('EXPIRE', KEYS[1], ${KEPT_S})
return 1
`;

/** Tells a Redis that has forgotten the fence of it. */
const CALL = `${FENCE}
if known < own then redis.call('SET', KEYS[2], ARGV[1]) end
redis.call('XADD', KEYS[1], 'MAXLEN', '~', ${CALLS_KEPT}, '*', 'e', ARGV[2])
return 1
`;

/** What became of an entry: it is there; another one has begun the stream; there is a higher fence. */
export type Written = "there" | "taken" | { readonly fence: number };

/** Writes the entries of links, on one connection. */
export class LinkScripts {
  readonly #link: RedisLink;
  readonly #keys: LinkKeys;
  readonly #append: string;
  readonly #call: string;

  private constructor(link: RedisLink, keys: LinkKeys, append: string, call: string) {
    this.#link = link;
    this.#keys = keys;
    this.#append = append;
    this.#call = call;
  }

  static async load(link: RedisLink, keys: LinkKeys): Promise<LinkScripts> {
    const load = async (script: string): Promise<string> =>
      String(await link.send(["SCRIPT", "LOAD", script]));
    const [append, call] = await Promise.all([load(APPEND), load(CALL)]);
    return new LinkScripts(link, keys, append, call);
  }

  /**
   * Appends an entry to a link's stream; rejects with RedisLinkError.
   * @param key of the stream
   * @param fence of the origin that serves the link
   * @param acknowledged the reader has entries up to there
   */
  append(
    key: string,
    fence: number,
    number: number,
    entry: Buffer,
    acknowledged: number,
  ): Promise<Written> {
    return this.#run(this.#append, key, fence, [idOf(acknowledged + 1), idOf(number), entry]);
  }

  /** Says to all edges that an origin takes links; rejects with RedisLinkError. */
  call(fence: number, call: Buffer): Promise<Written> {
    return this.#run(this.#call, this.#keys.calls, fence, [call]);
  }

  async #run(
    script: string,
    key: string,
    fence: number,
    args: readonly RedisArgument[],
  ): Promise<Written> {
    const command = ["EVALSHA", script, "2", key, this.#keys.fence, String(fence), ...args];
    const result = await this.#link.send(command);
    if (typeof result !== "number")
      throw new RedisLinkError("REDIS_REFUSED", "redis: a script's answer is no number");
    if (result < 0) return { fence: -result };
    return result === 0 ? "taken" : "there";
  }
}
