import type { RedisLink, RedisReply } from "./redis-link.js";
import type { RelayKeys } from "./relay-keys.js";

/*
 * The lease of a prefix, `NUMBER RUN NODE`: number and run of the process that is the origin, and its node's name for
 * people. It ends by itself unless it is renewed. Who gives it back leaves `NUMBER free`.
 */

const HELD = 1;
const HELD_BY_OTHER = 0;
const UNHELD = -1;

/**
 * Takes the lease where nobody has it, with the next number of an origin: higher than all before, and no less than the
 * present second, so that a Redis without memory gives none twice. Where it has merely gone, only on demand.
 */
const TAKE = `
local known = tonumber(redis.call('GET', KEYS[2]) or '0')
local lease = redis.call('GET', KEYS[1]) or ''
local number, run = string.match(lease, '^(%d+) (%S+)')
if run == ARGV[1] then return {${HELD}, tonumber(number), lease} end
if run and run ~= 'free' then return {${HELD_BY_OTHER}, tonumber(number), lease} end
if not run and ARGV[5] == '0' then return {${UNHELD}, known, lease} end
local fence = math.max(known + 1, tonumber(ARGV[4]))
local text = string.format('%.0f', fence)
redis.call('SET', KEYS[2], text)
redis.call('SET', KEYS[1], text .. ' ' .. ARGV[1] .. ' ' .. ARGV[2], 'PX', ARGV[3])
return {${HELD}, fence, lease}
`;

/**
 * Goes on with a lease, unless another origin has taken over. A Redis that has lost it, or what came behind it, is told
 * again. A full one takes a new end of a lease that is there.
 */
const RENEW = `
local own = tonumber(ARGV[1])
local lease = redis.call('GET', KEYS[1])
local known = tonumber(redis.call('GET', KEYS[2]) or '0')
if known > own then return ${HELD_BY_OTHER} end
if lease == ARGV[2] then
  redis.call('PEXPIRE', KEYS[1], ARGV[3])
else
  local holder = tonumber(string.match(lease or '', '^%d+') or '0')
  if holder >= own then return ${HELD_BY_OTHER} end
  redis.call('SET', KEYS[1], ARGV[2], 'PX', ARGV[3])
end
if known < own then redis.call('SET', KEYS[2], ARGV[1]) end
return ${HELD}
`;

const GIVE_BACK = `
if redis.call('GET', KEYS[1]) ~= ARGV[2] then return ${HELD_BY_OTHER} end
redis.call('SET', KEYS[1], ARGV[1] .. ' free')
return ${HELD}
`;

/** What became of a look at the lease. */
export type LeaseLook =
  | { readonly outcome: "taken"; readonly fence: number }
  | { readonly outcome: "other"; readonly fence: number; readonly node: string }
  /** Nobody has it, and it was not given back; `fence` is the last number that Redis knows of, or 0. */
  | { readonly outcome: "unheld"; readonly fence: number };

/** Who asks for a lease. */
export interface LeaseOwner {
  /** Tells this run of a process from all others. */
  readonly run: string;
  readonly node: string;
}

/** The lease's scripts on one connection; all of them reject with RedisLinkError. */
export class LeaseScripts {
  readonly #link: RedisLink;
  readonly #keys: readonly string[];
  readonly #owner: LeaseOwner;
  readonly #leaseMs: number;
  readonly #answerMsMax: number;

  constructor(
    link: RedisLink,
    { lease, fence }: RelayKeys,
    owner: LeaseOwner,
    leaseMs: number,
    answerMsMax: number,
  ) {
    this.#link = link;
    this.#keys = ["2", lease, fence];
    this.#owner = owner;
    this.#leaseMs = leaseMs;
    this.#answerMsMax = answerMsMax;
  }

  /** @param unheld takes one, too, that nobody has though nobody has given it back */
  async take(unheld: boolean): Promise<LeaseLook> {
    const { run, node } = this.#owner;
    const seconds = Math.floor(Date.now() / 1000);
    const args = [run, node, this.#leaseMs, seconds, unheld ? 1 : 0];
    const [state, fence, lease] = (await this.#eval(TAKE, args)) as [number, number, Buffer];
    if (state === HELD) return { outcome: "taken", fence };
    if (state === UNHELD) return { outcome: "unheld", fence };
    return { outcome: "other", fence, node: String(lease).split(" ").slice(2).join(" ") };
  }

  /** Returns whether this process still has it. */
  async renew(fence: number): Promise<boolean> {
    return (await this.#eval(RENEW, [fence, this.#lease(fence), this.#leaseMs])) === HELD;
  }

  async giveBack(fence: number): Promise<void> {
    await this.#eval(GIVE_BACK, [fence, this.#lease(fence)]);
  }

  #lease(fence: number): string {
    return `${fence} ${this.#owner.run} ${this.#owner.node}`;
  }

  #eval(script: string, args: readonly (string | number)[]): Promise<RedisReply> {
    const command = ["EVAL", script, ...this.#keys, ...args.map(String)];
    return this.#link.send(command, this.#answerMsMax);
  }
}
