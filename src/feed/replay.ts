import { once } from "node:events";
import type { FeedOptions } from "../config/thread-options.js";
import { csvColumn, splitCsvLine } from "./csv-line.js";
import type { BookSide, Feed, FeedContext, FeedSink } from "./feed.js";
import { FeedConfigurationError } from "./feed-configuration-error.js";
import { type Column, type FeedMap, type FileFormat, loadFeedMap } from "./feed-map.js";
import type { Line } from "./lines.js";
import { systemTiming, type Timing } from "./pacer.js";
import { readLines, requireFile } from "./recorded-file.js";
import {
  jsonLines,
  type LineSource,
  RejectedInput,
  requireText,
  takeLine,
} from "./rejected-input.js";
import { createReplayPace, type ReplayPace } from "./replay-pace.js";
import { type Row, RowReader } from "./row-reader.js";

type PlaybackOptions = Pick<
  FeedOptions,
  "feedMode" | "feedRate" | "feedSpeed" | "feedLoop" | "feedStart"
>;

/** What is known of a recording before it plays: all that can be wrong with the options is checked. */
interface ReplayPlan {
  readonly path: string;
  /** Its columns are indexes for CSV, keys for NDJSON. */
  readonly map: FeedMap;
  readonly format: FileFormat;
  readonly hasHeader: boolean;
}

/** Checks file, map and mode against one another. Throws {@link FeedConfigurationError}. */
export async function planReplay(
  options: Pick<FeedOptions, "feedFile" | "feedMap" | "feedMode">,
): Promise<ReplayPlan> {
  const { feedFile: path, feedMap: mapName, feedMode } = options;
  if (path === undefined) {
    throw new FeedConfigurationError("--feed-file", path, "replay needs a recorded file");
  }
  await requireFile(path);
  const map = await loadFeedMap(mapName);
  if (feedMode === "recorded" && map.time === undefined) {
    const rule = `needs a feed map with a time column; ${JSON.stringify(mapName)} has none`;
    throw new FeedConfigurationError("--feed-mode", feedMode, rule);
  }
  const format = map.format ?? formatOf(path);
  if (format === undefined) {
    const rule = 'must end in .csv, .ndjson or .jsonl (and .gz), or the map must name its "format"';
    throw new FeedConfigurationError("--feed-file", path, rule);
  }
  const hasNames = Object.values(map.columns).some((column) => typeof column === "string");
  if (format === "ndjson" && !hasNames) {
    const rule = "names columns by index, but NDJSON has keys";
    throw new FeedConfigurationError("--feed-map", mapName, rule);
  }
  const first = await readFirstLine(path);
  if (format === "ndjson" || !hasNames) return { path, map, format, hasHeader: false };
  const header = splitHeader(path, first, map.delimiter);
  return { path, map: resolveColumns(map, header, path), format, hasHeader: true };
}

function formatOf(path: string): FileFormat | undefined {
  const extension = /\.(csv|ndjson|jsonl)(\.gz)?$/i.exec(path)?.[1]?.toLowerCase();
  if (extension === undefined) return undefined;
  return extension === "csv" ? "csv" : "ndjson";
}

/** The first line that is not blank, undefined where there is none: so far, the file can be read. */
async function readFirstLine(path: string): Promise<Line | undefined> {
  try {
    for await (const lines of readLines(path)) {
      const first = lines.find((line) => !isBlank(line));
      if (first !== undefined) return first;
    }
    return undefined;
  } catch (error) {
    throw new FeedConfigurationError("--feed-file", path, (error as Error).message, {
      cause: error,
    });
  }
}

function splitHeader(path: string, line: Line | undefined, delimiter: string): readonly string[] {
  const fail = (rule: string, cause?: unknown) =>
    new FeedConfigurationError("--feed-file", path, rule, { cause });
  if (line === undefined) throw fail("must have a header, but is empty");
  try {
    return splitCsvLine(requireText(line), delimiter).map((name) => name.trim());
  } catch (error) {
    if (!(error instanceof RejectedInput)) throw error;
    const { message, place } = error;
    const column = typeof place === "number" ? `, column ${place}` : "";
    throw fail(`its header cannot be read: line ${line.number}${column}: ${message}`, error);
  }
}

/** The map with the names of its columns replaced by their places in the header. */
function resolveColumns(map: FeedMap, header: readonly string[], path: string): FeedMap {
  const indexOf = (name: Column): number => {
    const index = header.indexOf(String(name));
    if (index !== -1 && index === header.lastIndexOf(String(name))) return index;
    const rule = `must have a header with the map's column ${JSON.stringify(name)}, once`;
    throw new FeedConfigurationError("--feed-file", path, rule);
  };
  const columns = Object.entries(map.columns).flatMap(([field, name]) =>
    name === undefined ? [] : [[field, indexOf(name)]],
  );
  return {
    ...map,
    columns: Object.fromEntries(columns),
    time: map.time && { ...map.time, column: indexOf(map.time.column) },
  };
}

/**
 * Plays a recorded file. Each row that changes price, bid or ask gives one `PriceUpdate`, each
 * row with sizes a book of one level a side.
 */
export class ReplayFeed implements Feed {
  readonly #plan: ReplayPlan;
  readonly #options: PlaybackOptions;
  readonly #timing: Timing;
  readonly #source: LineSource;
  #reader: RowReader | undefined;

  constructor(plan: ReplayPlan, options: PlaybackOptions, timing: Timing = systemTiming) {
    this.#plan = plan;
    this.#options = options;
    this.#timing = timing;
    this.#source = sourceOf(plan);
  }

  open(sink: FeedSink): void {
    this.#reader = new RowReader(this.#plan.map, this.#plan.format, sink);
  }

  async run(sink: FeedSink, { signal, firstSubscriber }: FeedContext): Promise<void> {
    if (this.#options.feedStart === "first-subscriber" && !signal.aborted) {
      await Promise.race([firstSubscriber, once(signal, "abort")]);
    }
    const pace = createReplayPace(this.#options, signal, this.#timing);
    do {
      const rows = await this.#playOnce(sink, pace, signal);
      // Also keeps a loop over nothing from spinning.
      if (rows === 0 && !signal.aborted) throw new Error(`${this.#plan.path} has no usable row`);
    } while (this.#options.feedLoop && !signal.aborted);
  }

  /** Resolves with the number of rows published. */
  async #playOnce(sink: FeedSink, pace: ReplayPace, signal: AbortSignal): Promise<number> {
    let headerAhead = this.#plan.hasHeader;
    let published = 0;
    for await (const lines of readLines(this.#plan.path)) {
      for (const line of lines) {
        if (signal.aborted) return published;
        if (isBlank(line)) continue;
        if (headerAhead) {
          headerAhead = false;
          continue;
        }
        const row = this.#readRow(sink, line);
        if (row === undefined) continue;
        const wait = pace(row.timeMs);
        if (wait !== undefined) await wait;
        if (signal.aborted) return published;
        if (takeLine(sink, this.#source, line, () => publishRow(sink, row))) published += 1;
      }
    }
    return published;
  }

  #readRow(sink: FeedSink, line: Line): Row | undefined {
    let row: Row | undefined;
    takeLine(sink, this.#source, line, (text) => {
      if (this.#reader === undefined) throw new Error("open was not called");
      row = this.#reader.read(text);
    });
    return row;
  }
}

function sourceOf({ path: name, format, map: { delimiter } }: ReplayPlan): LineSource {
  if (format === "ndjson") return jsonLines(name);
  return { name, columnOf: (text, [cell]) => csvColumn(text, delimiter, Number(cell)) };
}

function isBlank(line: Line): boolean {
  return line.text !== undefined && line.text.trim() === "";
}

/** A trade goes out before the quote, which publishes both in one `PriceUpdate`. */
function publishRow(sink: FeedSink, { market, quote, trade }: Row): void {
  if (trade !== undefined) sink.trade(market.listed, trade);
  if (quote !== undefined) {
    market.bestBid = quote.bid.price;
    market.bestAsk = quote.ask.price;
    setLevel(market.book.bids, quote.bid.price, quote.bid.size);
    setLevel(market.book.asks, quote.ask.price, quote.ask.size);
  }
  sink.quote(
    market.listed,
    market.bestBid,
    market.bestAsk,
    bestSize(market.book.bids),
    bestSize(market.book.asks),
  );
  if (quote?.hasSizes) sink.book(market.listed, market.book);
}

function setLevel(side: BookSide, price: number | null, size: number): void {
  side.length = price === null ? 0 : 1;
  side.price[0] = price ?? 0;
  side.quantity[0] = size;
}

/** The size of a side's best level; null where there is none, or the rows do not say it. */
function bestSize({ length, quantity: [best] }: BookSide): number | null {
  return length > 0 && best !== undefined && best > 0 ? best : null;
}
