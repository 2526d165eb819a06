import { type CounterBlock, MAIN } from "../counters/counters.js";
import { messagesSent } from "../counters/system-status.js";

/** Counts, each second, what the shards sent in it; returns what ends that. */
export function startMessageRate({ main, shards }: CounterBlock): () => void {
  let sentBefore = 0;
  const timer = setInterval(() => {
    const sent = shards.reduce((sum, section) => sum + messagesSent(section), 0);
    main[MAIN.messagesPerSecond] = sent - sentBefore;
    sentBefore = sent;
  }, 1000);
  return () => clearInterval(timer);
}
