import { setTimeout as sleep } from "node:timers/promises";
import { z } from "zod";
import { type CounterSection, counted } from "../counters/counters.js";
import { RELAY } from "../counters/relay-counters.js";
import type { Logger } from "../shared/log.js";
import type { RelayTarget } from "../shared/relay-url.js";
import { openRedis, type RedisLink, RedisLinkError } from "./redis-link.js";
import type { RelayKeys } from "./relay-keys.js";

/** How often a node tells of itself, and what it is told of others may be that old, in ms. */
const TELL_MS = 1000;
/** A node that has told nothing for so long is gone, in s. */
const LEASE_S = 10;
/** Nodes that are listed; further ones serve as ever, but stand in no list. */
const NODES_MAX = 1000;
/** How long whoever asks waits for a list that is newer, in ms. */
const ASK_MS_MAX = 250;
/** A node that was started anew has the name of its former life until that is gone; after so long it is another one, in ms. */
const NAMESAKE_MS = (LEASE_S + 2) * 1000;

/**
 * All there is to do, at once: forgets those whose lease has ended, lists a node, or takes it off the list where it has
 * no record, and returns the list where it is asked for. A name is the first's who has it; whoever has the same gets
 * the beginning of its id with it. By Redis's own clock, as nodes have clocks of their own.
 */
const TELL = `
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local function forget(place)
  redis.call('HDEL', KEYS[1], place)
  redis.call('ZREM', KEYS[2], place)
end
for _, place in ipairs(redis.call('ZRANGEBYSCORE', KEYS[2], '-inf', now - ${LEASE_S * 1000})) do
  forget(place)
end
if redis.call('ZCARD', KEYS[2]) == 0 then redis.call('DEL', KEYS[1]) end
local id, name, record = ARGV[1], ARGV[2], ARGV[3]
local holder = redis.call('HGET', KEYS[1], name)
local held = holder and string.sub(holder, 1, #id) ~= id
local place = name .. '#' .. string.sub(id, 1, 8)
if not held then
  forget(place)
  place = name
end
if record == '' then
  forget(place)
  return {}
end
if redis.call('HGET', KEYS[1], place) or redis.call('ZCARD', KEYS[2]) < ${NODES_MAX} then
  redis.call('HSET', KEYS[1], place, id .. record)
  redis.call('ZADD', KEYS[2], now, place)
  redis.call('EXPIRE', KEYS[1], ${LEASE_S})
  redis.call('EXPIRE', KEYS[2], ${LEASE_S})
else
  place = ''
end
local reply = {place, redis.call('ZCARD', KEYS[2])}
if ARGV[4] == '1' then
  local seen = redis.call('ZRANGEBYSCORE', KEYS[2], '-inf', '+inf', 'WITHSCORES')
  for at = 1, #seen, 2 do
    local told = redis.call('HGET', KEYS[1], seen[at])
    if told then
      table.insert(reply, seen[at])
      table.insert(reply, now - seen[at + 1])
      table.insert(reply, string.sub(told, #id + 1))
    end
  end
end
return reply
`;

const recordSchema = z.object({
  role: z.enum(["origin", "edge", "standby"]),
  connections: z.number(),
  /** How far it is behind its origin, in ms; null where it has heard nothing of one. */
  lag_ms: z.number().nullable(),
  state: z.string(),
  /** Since when that has been its state, in microseconds since the Unix epoch. */
  since_ts: z.number(),
});

/** What a node tells of itself. */
export type NodeRecord = z.infer<typeof recordSchema>;

/** A node as it is listed, and how long ago it has told that, in ms. */
type ListedNode = { readonly name: string; readonly age_ms: number } & NodeRecord;

/** The nodes by name, and how old the list is, in ms; null where there has been none yet. */
interface NodeListing {
  readonly age_ms: number | null;
  readonly nodes: readonly ListedNode[];
}

interface NodeListOptions {
  readonly target: RelayTarget;
  readonly keys: RelayKeys;
  /** The name, which others may have as well, and 36 characters that nobody else has. */
  readonly name: string;
  readonly id: string;
  readonly record: () => NodeRecord;
  readonly counters: CounterSection;
  readonly log: Logger;
}

/**
 * This node's place in the list of all nodes of a relay, and the list. It is on a connection of its own, once a second,
 * and nobody waits for it but who asks for the list, and that for a quarter of a second at most.
 *
 * Invariants: Redis is asked for the list at most once a second, however often it is wanted; what was last read is
 * kept, with its age, for as long as there is nothing newer.
 */
export class NodeList {
  readonly #options: NodeListOptions;
  #link: RedisLink | undefined;
  #script = "";
  #listed: { readonly at: number; readonly nodes: readonly ListedNode[] } | undefined;
  #reading: Promise<void> | undefined;
  #readingSince = Number.NEGATIVE_INFINITY;
  /** Since when another node has had the name. */
  #namesakeSince: number | undefined;
  #warned = "";

  constructor(options: NodeListOptions) {
    this.#options = options;
  }

  /** Keeps this node on the list until the signal aborts, and then takes it off, if Redis does so at once. Never rejects. */
  async run(signal: AbortSignal): Promise<void> {
    const { target, counters } = this.#options;
    while (!signal.aborted) {
      let link: RedisLink | undefined;
      try {
        link = await openRedis(target);
        this.#script = String(await link.send(["SCRIPT", "LOAD", TELL]));
        this.#link = link;
        while (!signal.aborted) {
          await this.#tell(link, false);
          await pause(signal);
        }
        await this.#send(link, "", false);
      } catch (error) {
        counters[RELAY.nodeListed] = 0;
        // What else is wrong with Redis the relay says.
        if (error instanceof RedisLinkError && error.code === "REDIS_REFUSED")
          this.#warn(`this node cannot be listed among all nodes: ${error.message}`);
        await pause(signal);
      } finally {
        this.#link = undefined;
        link?.close();
      }
    }
  }

  /** The list, no older than a second where Redis answers. */
  async list(): Promise<NodeListing> {
    await this.#refresh();
    const { at, nodes } = this.#listed ?? { at: undefined, nodes: [] };
    return { age_ms: at === undefined ? null : Math.round(performance.now() - at), nodes };
  }

  async #refresh(): Promise<void> {
    const now = performance.now();
    const link = this.#link;
    if (this.#reading === undefined && link !== undefined && now - this.#readingSince >= TELL_MS) {
      this.#readingSince = now;
      this.#reading = this.#tell(link, true)
        // Whoever keeps this node on the list meets the same fault.
        .catch(() => {})
        .finally(() => {
          this.#reading = undefined;
        });
    }
    const patienceMs = this.#readingSince + ASK_MS_MAX - now;
    if (this.#reading !== undefined && patienceMs > 0)
      await Promise.race([this.#reading, sleep(patienceMs, undefined, { ref: false })]);
  }

  async #tell(link: RedisLink, wanted: boolean): Promise<void> {
    const { record, counters } = this.#options;
    const [place, nodes, ...listed] = await this.#send(link, JSON.stringify(record()), wanted);
    counters[RELAY.nodes] = Number(nodes);
    this.#notePlace(String(place));
    if (wanted) this.#listed = { at: performance.now(), nodes: listedOf(listed) };
  }

  async #send(link: RedisLink, record: string, wanted: boolean): Promise<readonly unknown[]> {
    const { keys, id, name } = this.#options;
    const command = ["EVALSHA", this.#script, "2", keys.nodes, keys.nodesSeen];
    const args = [id, name, record, wanted ? "1" : "0"];
    return (await link.send([...command, ...args])) as readonly unknown[];
  }

  #notePlace(place: string): void {
    const { name, counters } = this.#options;
    counters[RELAY.nodeListed] = place === "" ? 0 : 1;
    if (place === "")
      this.#warn(`there are ${NODES_MAX} nodes already: this one stands in no list of them`);
    if (place === "" || place === name) this.#namesakeSince = undefined;
    else this.#namesakeSince ??= performance.now();
    const isNamesake = performance.now() - (this.#namesakeSince ?? Infinity) > NAMESAKE_MS;
    const before = counted(counters, RELAY.nodeNamesake);
    counters[RELAY.nodeNamesake] = isNamesake ? 1 : 0;
    if (isNamesake && before === 0)
      this.#warn(
        `another node is called ${name}, too: this one is listed as ${place}; give each a --node-name of its own`,
      );
  }

  /** Warns, but not of the same twice in a row. */
  #warn(text: string): void {
    if (this.#warned !== text) this.#options.log.warn(text);
    this.#warned = text;
  }
}

function pause(signal: AbortSignal): Promise<void> {
  return sleep(TELL_MS, undefined, { signal }).catch(() => {});
}

/** The list in the script's answer. What another version tells of itself, and we do not understand, is left out. */
function listedOf(flat: readonly unknown[]): ListedNode[] {
  const nodes: ListedNode[] = [];
  for (let at = 0; at + 2 < flat.length; at += 3) {
    const record = recordOf(String(flat[at + 2]));
    if (record === undefined) continue;
    nodes.push({ name: String(flat[at]), ...record, age_ms: Number(flat[at + 1]) });
  }
  return nodes.sort((a, b) => (a.name < b.name ? -1 : 1));
}

function recordOf(json: string): NodeRecord | undefined {
  try {
    return recordSchema.parse(JSON.parse(json));
  } catch {
    return undefined;
  }
}
