import { Packr } from "msgpackr";
import { CodedError } from "../../shared/coded-error.js";
import type { ExchangeToShard, ShardToExchange } from "../../workers/messages.js";

/*
 * Entries of the streams between an edge and its origin. Each is a MessagePack array that begins with its form's
 * version; a node takes only its own. What shards and the exchange, or the hub, say is in it as it goes through their
 * ports.
 *
 *   hello      [version, node, run, link]
 *   call       [version, origin, fence, epoch]
 *   requests   [version, epoch, heard, takeBy, [[shard, life, [request, …]], …]]
 *   answers    [version, took, clock, beginning | nil, end | nil, [[shard, life, [news, …]], …]]
 *   beginning  [origin, fence, epoch, takesOrders]
 */

const VERSION = 1;
const TEXT_LENGTH_MAX = 1024;

/** An edge asks for a link of a name that nobody has had before. */
export interface Hello {
  readonly node: string;
  /** Tells the run of the edge's process from all others. */
  readonly run: string;
  readonly link: string;
}

/** An origin has begun to take links to the exchange of an epoch. Of two the one with the higher fence is the origin. */
interface Call {
  readonly origin: string;
  readonly fence: number;
  readonly epoch: string;
}

/**
 * What shards of an edge ask, by their numbers there. Each `attach` of a shard begins another life of it, with a number
 * that goes up, so that what one life has asked is not answered to the next.
 */
export type RequestsByShard<R extends Said = ShardToExchange> = readonly (readonly [
  shard: number,
  life: number,
  requests: R,
])[];
/** What shards of an edge are told, likewise. */
export type NewsByShard<N extends Said = ExchangeToShard> = readonly (readonly [
  shard: number,
  life: number,
  news: N,
])[];

/** What goes through a port: of the exchange, if nothing else is said, or of the hub. */
export type Said = readonly { readonly type: string }[];

interface RequestsEntry<R extends Said = ShardToExchange> {
  /** The exchange that it is meant for. */
  readonly epoch: string;
  /** Number of the last entry that came from the origin. */
  readonly heard: number;
  /** When it is too late to take its commands up, in ms of the origin's clock; 0 where there are none. */
  readonly takeBy: number;
  readonly requests: RequestsByShard<R>;
}

/** What a link's first entry says: whose it is. */
export interface Beginning extends Call {
  /** The origin's feed is the exchange. */
  readonly takesOrders: boolean;
}

interface AnswersEntry<N extends Said = ExchangeToShard> {
  /** Number of the last entry that was taken up. */
  readonly took: number;
  /** In ms of the origin's clock, when the entry was made. */
  readonly clock: number;
  readonly beginning: Beginning | undefined;
  /** Why the link ends with this entry. */
  readonly end: string | undefined;
  readonly news: NewsByShard<N>;
}

/** Bytes that are no entry of this version. */
class LinkEntryError extends CodedError<"ENTRY_INVALID"> {
  constructor(rule: string) {
    super("ENTRY_INVALID", `an entry of a link: ${rule}`);
  }
}

const packr = new Packr({ useRecords: false, variableMapSize: true });

export function packHello({ node, run, link }: Hello): Buffer {
  return packr.pack([VERSION, node, run, link]);
}

export function readHello(bytes: Buffer): Hello {
  const [node, run, link] = fieldsOf(bytes, 3);
  return { node: text(node), run: text(run), link: text(link) };
}

export function packCall({ origin, fence, epoch }: Call): Buffer {
  return packr.pack([VERSION, origin, fence, epoch]);
}

export function readCall(bytes: Buffer): Call {
  const [origin, fence, epoch] = fieldsOf(bytes, 3);
  return { origin: text(origin), fence: whole(fence), epoch: text(epoch) };
}

export function packRequests({ epoch, heard, takeBy, requests }: RequestsEntry<Said>): Buffer {
  return packr.pack([VERSION, epoch, heard, takeBy, requests]);
}

export function readRequests(bytes: Buffer): RequestsEntry {
  const [epoch, heard, takeBy, requests] = fieldsOf(bytes, 4);
  return {
    epoch: text(epoch),
    heard: whole(heard),
    takeBy: moment(takeBy),
    requests: byShard(requests) as RequestsByShard,
  };
}

export function packAnswers({ took, clock, beginning, end, news }: AnswersEntry): Buffer {
  const begun = beginning && [
    beginning.origin,
    beginning.fence,
    beginning.epoch,
    beginning.takesOrders,
  ];
  return packr.pack([VERSION, took, clock, begun ?? null, end ?? null, news]);
}

export function readAnswers<N extends Said = ExchangeToShard>(bytes: Buffer): AnswersEntry<N> {
  const [took, clock, beginning, end, news] = fieldsOf(bytes, 5);
  return {
    took: whole(took),
    clock: moment(clock),
    beginning: beginning === null ? undefined : beginningOf(beginning),
    end: end === null ? undefined : text(end),
    news: byShard(news) as NewsByShard<N>,
  };
}

function beginningOf(value: unknown): Beginning {
  const [origin, fence, epoch, takesOrders] = list(value, 4);
  if (typeof takesOrders !== "boolean") throw new LinkEntryError("a boolean is missing");
  return { origin: text(origin), fence: whole(fence), epoch: text(epoch), takesOrders };
}

function fieldsOf(bytes: Buffer, fields: number): readonly unknown[] {
  let value: unknown;
  try {
    value = packr.unpack(bytes);
  } catch {
    throw new LinkEntryError("it is no MessagePack");
  }
  const [version, ...rest] = list(value);
  if (version !== VERSION)
    throw new LinkEntryError(`its version is ${String(version)}, not ${VERSION}`);
  return list(rest, fields);
}

function list(value: unknown, length?: number): readonly unknown[] {
  if (Array.isArray(value) && (length === undefined || value.length === length)) return value;
  throw new LinkEntryError("a list is missing, or of another length");
}

function text(value: unknown): string {
  if (typeof value === "string" && value.length <= TEXT_LENGTH_MAX) return value;
  throw new LinkEntryError(`a text of at most ${TEXT_LENGTH_MAX} characters is missing`);
}

function whole(value: unknown): number {
  if (Number.isSafeInteger(value) && (value as number) >= 0) return value as number;
  throw new LinkEntryError("a whole number is missing");
}

function moment(value: unknown): number {
  if (Number.isFinite(value) && (value as number) >= 0) return value as number;
  throw new LinkEntryError("a time is missing");
}

/** Of what is said, only that each is of some type: nodes of one version say it alike. */
function byShard(value: unknown): readonly (readonly [number, number, readonly unknown[]])[] {
  return list(value).map((one) => {
    const [shard, life, said] = list(one, 3);
    for (const item of list(said))
      if (typeof (item as { readonly type?: unknown } | null)?.type !== "string")
        throw new LinkEntryError("something is said that has no type");
    return [whole(shard), whole(life), list(said)];
  });
}
