/*
 * How far a connection is with what it is sent:
 *
 *                      due
 *     ┌──────────┐ ──────────► ┌──────────┐
 *     │ current  │             │   due    │     each of the two, below: "current or due"
 *     └──────────┘ ◄────────── └──────────┘
 *                    caughtUp
 *
 *                         current or due
 *             full │ ▲ drained      load │ ▲ loaded
 *                  ▼ │                   ▼ │
 *         ┌──────────┐              ┌──────────┐
 *         │ blocked  │              │ loading  │
 *         └──────────┘              └──────────┘
 *             load │ ▲ loaded       full │ ▲ drained
 *                  ▼ │                   ▼ │
 *                ┌──────────────────────────┐
 *                │         stalled          │
 *                └──────────────────────────┘
 *
 * current  it has, in order, all that its audience was sent, and takes more
 * due      it takes more, but what it missed or what waits for it comes first, in the next round
 * blocked  its socket has not taken all that was written to it
 * loading  FirstDataSender alone writes market data to it, but for trades, and its socket takes more
 * stalled  it loads, and its socket has not taken all: its client holds up its own first data
 * closing  the closing handshake has begun, or the socket has ended, in whichever of the states above:
 *          nothing is written any more, and what happens in the others runs out without effect
 *
 * `drained` and `loaded` lead to `due`; where nothing is due, `caughtUp` follows at once.
 */

export type FlowState = "current" | "due" | "blocked" | "loading" | "stalled";
export type ConnectionState = FlowState | "closing";

/** What happens to a connection's flow. */
export type FlowEvent = "full" | "drained" | "load" | "loaded" | "due" | "caughtUp";

const NEXT: Readonly<Record<FlowState, Partial<Record<FlowEvent, FlowState>>>> = {
  current: { full: "blocked", load: "loading", due: "due", caughtUp: "current" },
  due: { full: "blocked", load: "loading", due: "due", caughtUp: "current" },
  blocked: { drained: "due", load: "stalled", due: "blocked", caughtUp: "blocked" },
  loading: { full: "stalled", loaded: "due", due: "loading", caughtUp: "loading" },
  stalled: { drained: "loading", loaded: "blocked", due: "stalled", caughtUp: "stalled" },
};

/** The state after an event; throws where the event cannot happen in that state. */
export function nextFlowState(state: FlowState, event: FlowEvent): FlowState {
  const next = NEXT[state][event];
  if (next === undefined) throw new Error(`connection: ${event} while ${state}`);
  return next;
}

/** Whether the socket has not taken all that was written to it. */
export function isBlocked(state: FlowState): boolean {
  return state === "blocked" || state === "stalled";
}

/** Whether first data, or a request for some, wait for their turn or for the socket. */
export function isLoading(state: FlowState): boolean {
  return state === "loading" || state === "stalled";
}
