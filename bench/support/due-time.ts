/*
 * The moment at which a message was due travels in its prices, in every server alike: the best bid
 * is a stamp of ten digits, so that all messages are of one size. A stamp tells the due time within
 * a thousand seconds, which no latency of a bench comes near.
 */
const STAMP_BASE = 1_000_000_000;

/** The stamp of a due time, both in microseconds: an integer of ten digits. */
export function stampOf(dueMicros: number): number {
  return STAMP_BASE + (Math.round(dueMicros) % STAMP_BASE);
}

/** Microseconds from the due time of `stamp` to `nowMicros`, negative where that lies ahead. */
function microsSince(stamp: number, nowMicros: number): number {
  const passed = (nowMicros - (stamp - STAMP_BASE)) % STAMP_BASE;
  return passed > STAMP_BASE / 2 ? passed - STAMP_BASE : passed;
}

/**
 * Microseconds from the moment at which a `PriceUpdate` was due to `nowMicros`. One without a stamp,
 * of a feed that knows no due times, is taken from its `ts`.
 */
export function latencyOf(json: string, nowMicros: number): number {
  const stamp = numberBehind(json, '"best_bid":');
  return stamp >= STAMP_BASE
    ? microsSince(stamp, nowMicros)
    : nowMicros - numberBehind(json, '"ts":');
}

function numberBehind(json: string, field: string): number {
  return Number.parseInt(json.slice(json.indexOf(field) + field.length), 10);
}
