import { type CounterBlock, REPLAY_REFUSALS, SHARD } from "../counters/counters.js";
import { type Add, perShard, sumOf } from "./metric-samples.js";

/** What is read again of the window for those who missed it, and how far it reaches. */
export function addReplayMetrics(add: Add, { shards }: CounterBlock): void {
  add("counter", "replays_total", "Channels replayed from where clients asked for them", () =>
    perShard(shards, SHARD.replays),
  );
  add("counter", "replayed_messages_total", "Messages read again for those who missed them", () =>
    perShard(shards, SHARD.replayedMessages),
  );
  add("counter", "replays_refused_total", "Channels not replayed, by reason", () =>
    REPLAY_REFUSALS.map((reason, index) => ({
      labels: { reason },
      value: sumOf(shards, SHARD.replaysRefused + index),
    })),
  );
  add("gauge", "replay_window_seconds", "How far back the window reaches", () =>
    (["trades", "states"] as const).flatMap((of) =>
      perShard(shards, of === "trades" ? SHARD.oldestTradeTs : SHARD.oldestStateTs).map(
        ({ labels, value }) => ({
          labels: { ...labels, of },
          value: value === 0 ? 0 : Math.max(0, Date.now() / 1e3 - value / 1e6),
        }),
      ),
    ),
  );
}
