import type { Trade } from "../../src/contract/messages.js";

/** All that one client was told of trades, over all its connections and whatever node these were to. */
export interface TradesTold {
  readonly client: string;
  /** In the order in which they came. */
  readonly trades: readonly Pick<Trade, "trade_id" | "market_id">[];
  /**
   * Where it was told that something is missing: by a gap, or a `since` that was not recovered; each as the number of
   * trades that it had then.
   */
  readonly losses: readonly number[];
}

/** All that one client was told of a private channel. */
export interface PublicationsTold {
  readonly client: string;
  readonly publications: readonly {
    readonly channel: string;
    readonly seq: number;
    readonly data: unknown;
  }[];
  /** As of trades. */
  readonly losses: readonly number[];
}

/** A publication that was acknowledged. */
export interface Published {
  readonly channel: string;
  readonly seq: number;
  readonly data: unknown;
}

/**
 * What is wrong with what clients were told of trades, held against all that there were: by market their ids, in their
 * order. No trade may be told that there was not, or twice, or out of order; none may be missing between two that
 * were told, nor behind the last one, unless the client was told so.
 */
export function tradeFaults(
  told: readonly TradesTold[],
  all: ReadonlyMap<string, readonly string[]>,
): string[] {
  const places = new Map<string, Map<string, number>>();
  for (const [market, ids] of all) places.set(market, new Map(ids.map((id, at) => [id, at])));
  return told.flatMap(({ client, trades, losses }) => {
    const byMarket = new Map<string, { readonly id: string; readonly at: number }[]>();
    for (const [at, { trade_id: id, market_id }] of trades.entries()) {
      const market = String(market_id);
      const some = byMarket.get(market) ?? [];
      some.push({ id, at });
      byMarket.set(market, some);
    }
    return [...byMarket].flatMap(([market, some]) =>
      streamFaults(
        `trades of ${market} for ${client}`,
        some.map(({ id, at }) => ({ at, place: places.get(market)?.get(id), shown: id })),
        losses,
        trades.length,
        (all.get(market)?.length ?? 0) - 1,
      ),
    );
  });
}

/**
 * The same of publications, whose order and content the `seq` of each stands for: what two were told of one may not
 * differ, and what was acknowledged must have been told to everybody who had one before it.
 */
export function publicationFaults(
  told: readonly PublicationsTold[],
  published: readonly Published[],
): string[] {
  const content = new Map<string, string>();
  const faults: string[] = [];
  const note = ({ channel, seq, data }: Published, whose: string): void => {
    const key = `${channel} ${seq}`;
    const json = JSON.stringify(data);
    const known = content.get(key);
    if (known !== undefined && known !== json)
      faults.push(`publication ${key} is ${known}, and ${json} for ${whose}`);
    content.set(key, known ?? json);
  };
  for (const one of published) note(one, "who published it");
  for (const { client, publications } of told) for (const one of publications) note(one, client);
  const seqs = new Map<string, number[]>();
  for (const key of content.keys()) {
    const [channel = "", seq] = key.split(" ");
    seqs.set(channel, [...(seqs.get(channel) ?? []), Number(seq)]);
  }
  for (const some of seqs.values()) some.sort((a, b) => a - b);
  for (const { client, publications, losses } of told) {
    for (const [channel, all] of seqs) {
      const some = [...publications.entries()].filter(([, one]) => one.channel === channel);
      const stream = some.map(([at, { seq }]) => ({
        at,
        place: all.indexOf(seq),
        shown: String(seq),
      }));
      const whose = `publications of ${channel} for ${client}`;
      faults.push(...streamFaults(whose, stream, losses, publications.length, all.length - 1));
    }
  }
  return faults;
}

interface Item {
  /** Its number among all that the client was told. */
  readonly at: number;
  /** Its number among all that there were; undefined where there was none such. */
  readonly place: number | undefined;
  readonly shown: string;
}

function streamFaults(
  whose: string,
  items: readonly Item[],
  losses: readonly number[],
  told: number,
  lastPlace: number,
): string[] {
  const faults: string[] = [];
  // A loss is told just before the first that comes behind it, or just behind that.
  const isTold = (from: number, to: number): boolean =>
    losses.some((at) => at > from && at <= to + 1);
  let last: Item | undefined;
  for (const item of items) {
    if (item.place === undefined) {
      faults.push(`${whose}: there was no ${item.shown}`);
      continue;
    }
    const step = item.place - (last?.place ?? item.place - 1);
    if (step < 1) faults.push(`${whose}: ${item.shown} behind ${last?.shown}`);
    else if (step > 1 && !isTold(last?.at ?? 0, item.at))
      faults.push(`${whose}: ${step - 1} are missing between ${last?.shown} and ${item.shown}`);
    last = item;
  }
  if (last !== undefined && Number(last.place) < lastPlace && !isTold(last.at, told))
    faults.push(`${whose}: ${lastPlace - Number(last.place)} are missing behind ${last.shown}`);
  return faults;
}

/** Streams of one connection, whose `seq` may not go back within an epoch. */
export class SeqWatch {
  readonly faults: string[] = [];
  readonly #client: string;
  #epoch = "";
  readonly #seqs = new Map<string, number>();

  constructor(client: string) {
    this.#client = client;
  }

  /** Another connection begins, or another epoch. */
  begin(epoch: string): void {
    this.#epoch = epoch;
    this.#seqs.clear();
  }

  take(stream: string, seq: number): void {
    const last = this.#seqs.get(stream);
    if (last !== undefined && seq < last)
      this.faults.push(`${stream} of ${this.#client} in ${this.#epoch}: ${last} -> ${seq}`);
    this.#seqs.set(stream, seq);
  }
}
