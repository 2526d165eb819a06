import type { RedisLink } from "../redis-link.js";
import { FENCE, runFenced } from "../relay-scripts.js";
import type { JournalKeys } from "./journal-keys.js";

/** Appends a record, unless it is there, and removes older ones. */
const APPEND = `${FENCE}
local added = redis.pcall('XADD', KEYS[1], 'MINID', '~', ARGV[2], ARGV[3], 'e', ARGV[4])
if type(added) == 'table' and added.err then
  if not string.find(added.err, 'equal or smaller') then return redis.error_reply(added.err) end
  if #redis.call('XRANGE', KEYS[1], ARGV[3], ARGV[3]) > 0 then return 1 end
  return 0
end
return 1
`;
const SET = `${FENCE}
redis.call('SET', KEYS[1], ARGV[2])
return 1
`;
const REMOVE = `${FENCE}
redis.call('DEL', KEYS[1])
return 1
`;

/** The origin's writes of its journal on one connection: none of them where a higher number has been given out. */
export class JournalScripts {
  readonly #link: RedisLink;
  readonly #keys: JournalKeys;
  readonly #fence: number;
  readonly #scripts: { readonly append: string; readonly set: string; readonly remove: string };

  private constructor(
    link: RedisLink,
    keys: JournalKeys,
    fence: number,
    [append = "", set = "", remove = ""]: readonly string[],
  ) {
    this.#link = link;
    this.#keys = keys;
    this.#fence = fence;
    this.#scripts = { append, set, remove };
  }

  static async load(link: RedisLink, keys: JournalKeys, fence: number): Promise<JournalScripts> {
    const load = async (script: string): Promise<string> =>
      String(await link.send(["SCRIPT", "LOAD", script]));
    return new JournalScripts(
      link,
      keys,
      fence,
      await Promise.all([APPEND, SET, REMOVE].map(load)),
    );
  }

  /**
   * Appends a record's entry; resolves with whether the stream takes it: false where that is ahead.
   * @param oldest entries of lower numbers may go
   */
  async append(number: number, entry: Buffer, oldest: number): Promise<boolean> {
    const id = `${number}-${this.#fence}`;
    return (
      (await this.#run(this.#scripts.append, this.#keys.journal, [String(oldest), id, entry])) === 1
    );
  }

  /** Writes what is said of the journal. */
  async setHead(head: string): Promise<void> {
    await this.#run(this.#scripts.set, this.#keys.head, [head]);
  }

  /** Removes all entries. */
  async removeAll(): Promise<void> {
    await this.#run(this.#scripts.remove, this.#keys.journal, []);
  }

  #run(script: string, key: string, args: readonly (string | Buffer)[]): Promise<number> {
    return runFenced(this.#link, script, [key, this.#keys.fence], [String(this.#fence), ...args]);
  }
}
