import { Packr } from "msgpackr";
import { CodedError } from "../../shared/coded-error.js";
import type { ExchangeToShard, ShardToExchange } from "../../workers/messages.js";

/*
 * Entries of the streams between an edge and its origin. Each is a MessagePack array that begins with its form's
 * version; a node takes only its own. What shards and the exchange, or the hub, say is in it as it goes through their
 * ports.
 *
 *   hello      [version, node, run, link, drawnAt]
 *   call       [version, origin, fence, epoch]
 *   requests   [version, origin, fence, epoch, heard, takeBy, [[shard, life, [request, …]], …]]
 *   answers    [version, origin, fence, epoch, took, clock, takesOrders | nil, end | nil, [[shard, life, [news, …]], …]]
 */

const VERSION = 2;
const TEXT_LENGTH_MAX = 1024;

/** An edge asks for a link of a name that nobody has had before, and nobody can guess. */
export interface Hello {
  readonly node: string;
  /** Tells the run of the edge's process from all others. */
  readonly run: string;
  readonly link: string;
  /** When the edge drew the name, in ms of its machine's clock: of two the later one counts. */
  readonly drawnAt: number;
}

/**
 * Who serves links: a thread of an origin, which leads to the exchange of an epoch. Of two fences the higher one is that
 * of the origin.
 */
export interface Serving {
  /** Tells the thread from all others. */
  readonly origin: string;
  readonly fence: number;
  readonly epoch: string;
}

/** What goes through a port: of the exchange, if nothing else is said, or of the hub. */
export type Said = readonly { readonly type: string }[];

/** What differs between links to the exchange and to the hub. */
export interface LinkKind {
  /** The types of all that is asked, and told. */
  readonly requests: Readonly<Record<string, true>>;
  readonly news: Readonly<Record<string, true>>;
  /** Whether a request is not to be carried out late. */
  readonly isTimed: (request: Said[number]) => boolean;
  /** What is said in the place of each shard of an edge that is there no more. */
  readonly farewell: Said;
  /** Where the relay's counters have what is counted of them. */
  readonly words: {
    readonly links: number;
    readonly linksEnded: number;
    readonly leasesEnded: number;
    readonly linkWaitingBytes: number;
    readonly linkOutstanding: number;
  };
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

interface RequestsEntry<R extends Said> {
  /** Whom it is meant for: nobody else takes it up. */
  readonly to: Serving;
  /** Number of the last entry that came from the origin. */
  readonly heard: number;
  /** When it is too late to take its commands up, in ms of the origin's clock; 0 where there are none. */
  readonly takeBy: number;
  readonly requests: RequestsByShard<R>;
}

interface AnswersEntry<N extends Said> {
  /** Whose it is: all of a link are one's. */
  readonly of: Serving;
  /** Number of the last entry that was taken up. */
  readonly took: number;
  /** In ms of the origin's clock, when the entry was made. */
  readonly clock: number;
  /** In the link's first entry: whether the origin's feed is the exchange. */
  readonly takesOrders: boolean | undefined;
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

/** Whether two are the same thread, and it leads to the same exchange. */
export function isSame(one: Serving, other: Serving): boolean {
  return one.origin === other.origin && one.fence === other.fence && one.epoch === other.epoch;
}

/** How many of the news answer a request. */
export function answersAmong(news: Said): number {
  return news.filter((one) => "request" in one).length;
}

export function packHello({ node, run, link, drawnAt }: Hello): Buffer {
  return packr.pack([VERSION, node, run, link, drawnAt]);
}

export function readHello(bytes: Buffer): Hello {
  const [node, run, link, drawnAt] = fieldsOf(bytes, 4);
  return { node: text(node), run: text(run), link: text(link), drawnAt: moment(drawnAt) };
}

export function packCall({ origin, fence, epoch }: Serving): Buffer {
  return packr.pack([VERSION, origin, fence, epoch]);
}

export function readCall(bytes: Buffer): Serving {
  return servingOf(fieldsOf(bytes, 3));
}

export function packRequests({ to, heard, takeBy, requests }: RequestsEntry<Said>): Buffer {
  return packr.pack([VERSION, to.origin, to.fence, to.epoch, heard, takeBy, requests]);
}

export function readRequests<R extends Said>(bytes: Buffer, kind: LinkKind): RequestsEntry<R> {
  const [origin, fence, epoch, heard, takeBy, said] = fieldsOf(bytes, 6);
  const requests = byShard(said, kind.requests) as unknown as RequestsByShard<R>;
  const until = moment(takeBy);
  if (until === 0 && requests.some(([, , all]) => all.some(kind.isTimed)))
    throw new LinkEntryError("it has commands and does not say until when they may be taken up");
  return { to: servingOf([origin, fence, epoch]), heard: whole(heard), takeBy: until, requests };
}

export function packAnswers(entry: AnswersEntry<Said>): Buffer {
  const { of, took, clock, takesOrders = null, end = null, news } = entry;
  return packr.pack([VERSION, of.origin, of.fence, of.epoch, took, clock, takesOrders, end, news]);
}

export function readAnswers<N extends Said>(bytes: Buffer, kind: LinkKind): AnswersEntry<N> {
  const [origin, fence, epoch, took, clock, takesOrders, end, news] = fieldsOf(bytes, 8);
  if (takesOrders !== null && typeof takesOrders !== "boolean")
    throw new LinkEntryError("a boolean is missing");
  return {
    of: servingOf([origin, fence, epoch]),
    took: whole(took),
    clock: moment(clock),
    takesOrders: takesOrders ?? undefined,
    end: end === null ? undefined : text(end),
    news: byShard(news, kind.news) as unknown as NewsByShard<N>,
  };
}

function servingOf([origin, fence, epoch]: readonly unknown[]): Serving {
  return { origin: text(origin), fence: whole(fence), epoch: text(epoch) };
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

/** Of what is said, only that each is of a type that there is: nodes of one version say it alike. */
function byShard(
  value: unknown,
  types: Readonly<Record<string, true>>,
): readonly (readonly [number, number, readonly unknown[]])[] {
  return list(value).map((one) => {
    const [shard, life, said] = list(one, 3);
    for (const item of list(said)) {
      const { type } = (item ?? {}) as { readonly type?: unknown };
      if (typeof type !== "string" || !Object.hasOwn(types, type))
        throw new LinkEntryError(
          `something is said of the type ${String(type)}, which there is not`,
        );
    }
    return [whole(shard), whole(life), list(said)];
  });
}
