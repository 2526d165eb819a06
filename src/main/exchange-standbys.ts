import { archiveDirectory } from "../config/data-directory.js";
import type { Config } from "../config/schema.js";
import { createJournalMarks } from "../counters/journal-marks.js";
import type { Logger, LogOptions } from "../shared/log.js";
import { relayTargetOf } from "../shared/relay-url.js";
import type { FollowedTask } from "../workers/producer/messages.js";
import type { RelayTask } from "../workers/relay/messages.js";
import { StandbySupervisor } from "./standby-supervisor.js";

interface ExchangeStandbysOptions {
  readonly config: Config;
  readonly counters: SharedArrayBuffer;
  /** The number of this origin; 0 before it is one. */
  readonly fence: () => number;
  readonly log: LogOptions;
}

/** What a node that is meant as the exchange has to do with others like it: follow one, and be followed. */
export class ExchangeStandbys {
  readonly standby: StandbySupervisor;
  /** For the relay's thread. */
  readonly journal: RelayTask["journal"];
  readonly #own: Omit<FollowedTask, "fence" | "claims">;
  readonly #fence: () => number;

  private constructor(
    { config, counters, fence, log }: ExchangeStandbysOptions,
    relay: string,
    logger: Logger,
  ) {
    const { dataDir, relayPrefix: prefix, relayJournalBytes: maxBytes } = config;
    const target = relayTargetOf(relay);
    const marks = createJournalMarks();
    const required = config.relayAck === "standby";
    this.#fence = fence;
    this.#own = {
      marks,
      target,
      prefix,
      required,
      timeoutMs: config.relayAckTimeoutMs,
      keptJournalBytes: maxBytes,
    };
    this.journal = { marks, dataDir, required, maxBytes };
    this.standby = new StandbySupervisor(
      {
        counters,
        target,
        prefix,
        dataDir,
        archiveDir: archiveDirectory(dataDir),
        retention: config,
        keptJournalBytes: maxBytes,
        log,
      },
      logger,
    );
  }

  /** Undefined for a node that is no exchange, or is alone. */
  static of(options: ExchangeStandbysOptions, logger: Logger): ExchangeStandbys | undefined {
    const { relay, feed } = options.config;
    if (relay === undefined || feed !== "exchange") return undefined;
    return new ExchangeStandbys(options, relay, logger);
  }

  /** For a producer's thread; the first one of the process claims the history. */
  producer(claims: boolean): FollowedTask {
    return { ...this.#own, fence: this.#fence(), claims };
  }
}
