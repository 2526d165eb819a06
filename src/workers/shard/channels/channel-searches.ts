import type { HistoryFrom } from "../../../channels/channel-histories.js";
import type { NamedChannel } from "../../../contract/channel-kinds.js";
import type { HubNews } from "../../hub/messages.js";

/** How long it may take until there is a hub that says what there is, in ms. */
const FIND_MS_MAX = 5000;

/** What there is of a channel since a moment. */
export interface FoundHistory {
  /** It is all that there was. */
  readonly recovered: boolean;
  /** Where it begins; undefined where nobody knows, and nothing is told. */
  readonly from: HistoryFrom | undefined;
}

const NOTHING: FoundHistory = { recovered: false, from: undefined };

interface Search {
  readonly channel: string;
  readonly since: number;
  readonly found: (history: FoundHistory) => void;
  readonly giveUp: NodeJS.Timeout;
}

/**
 * What the hub is asked for channels with a `since`, before their subscribers are told whether it is all there.
 *
 * Invariant: each search is told what was found once; where no hub answers in time, that nothing was.
 */
export class ChannelSearches {
  readonly #ask: (channel: string, since: number) => number | undefined;
  readonly #all = new Set<Search>();
  readonly #asked = new Map<number, Search>();

  /** @param ask asks the hub; returns the question's number, or undefined where there is no hub */
  constructor(ask: (channel: string, since: number) => number | undefined) {
    this.#ask = ask;
  }

  /** @param found called when all is, at once where there is nothing to find */
  find(
    channels: readonly (NamedChannel & { readonly since: number })[],
    found: (histories: ReadonlyMap<NamedChannel, FoundHistory>) => void,
  ): void {
    const histories = new Map<NamedChannel, FoundHistory>();
    if (channels.length === 0) return found(histories);
    for (const channel of channels) {
      const giveUp = setTimeout(() => this.#end(search, NOTHING), FIND_MS_MAX);
      const search: Search = {
        channel: channel.params.channel,
        since: channel.since,
        found: (history) => {
          histories.set(channel, history);
          if (histories.size === channels.length) found(histories);
        },
        giveUp,
      };
      this.#all.add(search);
      this.#search(search);
    }
  }

  take({ request, recovered, from }: Extract<HubNews, { type: "recoverable" }>): void {
    const search = this.#asked.get(request);
    this.#asked.delete(request);
    if (search !== undefined) this.#end(search, { recovered, from });
  }

  /** What the hub was asked is not answered any more. */
  lost(): void {
    this.#asked.clear();
  }

  /** There is another hub. */
  askAgain(): void {
    for (const search of this.#all) this.#search(search);
  }

  #search(search: Search): void {
    const request = this.#ask(search.channel, search.since);
    if (request !== undefined) this.#asked.set(request, search);
  }

  #end(search: Search, history: FoundHistory): void {
    // It may have been given up.
    if (!this.#all.delete(search)) return;
    clearTimeout(search.giveUp);
    search.found(history);
  }
}
