import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { ServerClock } from "../../src/client/server-clock.js";

const START_MS = 1_790_000_000_000;

beforeEach(() => {
  vi.useFakeTimers({ toFake: ["performance"] });
});
afterEach(() => {
  vi.useRealTimers();
});

describe("server-clock", () => {
  it("server-clock - goes on from what the server said, and begins anew with another one", () => {
    const clock = new ServerClock();
    clock.begin(START_MS);
    vi.advanceTimersByTime(250);
    expect(clock.at(performance.now())).toBe(START_MS + 250);
    expect(clock.at(performance.now() - 50)).toBe(START_MS + 200);
    clock.begin(5);
    expect(clock.at(performance.now())).toBe(5);
  });

  it("server-clock - follows what the server says later, but not a message that was long on its way", () => {
    const clock = new ServerClock();
    clock.begin(START_MS);
    vi.advanceTimersByTime(1000);
    // The machine has slept for half a minute meanwhile.
    clock.follow(START_MS + 31_000);
    expect(clock.at(performance.now())).toBe(START_MS + 31_000);
    vi.advanceTimersByTime(3000);
    clock.follow(START_MS + 31_500);
    expect(clock.at(performance.now())).toBe(START_MS + 33_999);
    // One that goes slower than ours is followed ping by ping.
    for (let pings = 0; pings < 20; pings++) clock.follow(START_MS + 33_990);
    expect(clock.at(performance.now())).toBe(START_MS + 33_990);
  });
});
