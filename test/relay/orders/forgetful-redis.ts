import { openRedis, type RedisLink } from "../../../src/relay/redis-link.js";
import type { RedisServer } from "../../support/redis-server.js";
import { targetOf } from "./orders-world.js";

/** All keys with what they hold, and for how long they still do. */
const DUMP = `
local all = {}
for _, key in ipairs(redis.call('KEYS', '*')) do
  all[#all + 1] = key
  all[#all + 1] = tostring(math.max(redis.call('PTTL', key), 0))
  all[#all + 1] = redis.call('DUMP', key)
end
return all
`;
const RESTORE = `
redis.call('FLUSHDB')
for at = 1, #ARGV, 3 do redis.call('RESTORE', ARGV[at], ARGV[at + 1], ARGV[at + 2]) end
`;
const CUT = ["CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes"];

/** A real Redis that a test has go back to what it was, as where a replica is promoted that lacks the last writes. */
export class ForgetfulRedis {
  readonly #link: RedisLink;
  #kept: readonly Buffer[] = [];

  private constructor(link: RedisLink) {
    this.#link = link;
  }

  static async connect(redis: RedisServer): Promise<ForgetfulRedis> {
    return new ForgetfulRedis(await openRedis(targetOf(redis.url)));
  }

  /** Remembers what there is now. */
  async keep(): Promise<void> {
    this.#kept = (await this.#link.send(["EVAL", DUMP, "0"])) as readonly Buffer[];
  }

  /** Has what was kept again, unless told otherwise, and all connections are cut at that moment. */
  async goBack(kept = this.#kept): Promise<void> {
    const commands = [["MULTI"], CUT, ["EVAL", RESTORE, "0", ...kept], ["EXEC"]];
    await Promise.all(commands.map((command) => this.#link.send(command)));
  }

  async cut(): Promise<void> {
    await this.#link.send(CUT);
  }

  /** Answers nobody for so long. */
  async pause(ms: number): Promise<void> {
    await this.#link.send(["CLIENT", "PAUSE", String(ms), "ALL"]);
  }

  close(): void {
    this.#link.close();
  }
}
