import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { endThread, threadsLeftBehind } from "../../src/main/thread-end.js";

beforeEach(() => vi.useFakeTimers());
afterEach(() => vi.useRealTimers());

/** A thread that ends when the test says so, and what was done to it. */
function fakeThread() {
  const done: string[] = [];
  let exit: () => void = () => {};
  const exited = new Promise<void>((resolve) => {
    exit = resolve;
  });
  const thread = { ask: () => done.push("ask"), terminate: () => done.push("terminate"), exited };
  return { done, exit, thread: { ...thread, ask: () => void thread.ask() } };
}

test("thread end - one that ends itself is not terminated", async () => {
  const { done, exit, thread } = fakeThread();
  const ended = endThread(thread);
  await vi.advanceTimersByTimeAsync(150);
  exit();
  expect(await ended).toBe(true);
  await vi.advanceTimersByTimeAsync(10_000);
  expect(done).toEqual(["ask"]);
});

test("thread end - one that does not is terminated, and left behind within a second if need be", async () => {
  const { done, exit, thread } = fakeThread();
  let ended: boolean | undefined;
  void endThread(thread).then((result) => {
    ended = result;
  });
  await vi.advanceTimersByTimeAsync(300);
  expect([done, ended]).toEqual([["ask", "terminate"], undefined]);
  await vi.advanceTimersByTimeAsync(700);
  expect([ended, threadsLeftBehind()]).toEqual([false, 1]);
  exit();
  await vi.advanceTimersByTimeAsync(0);
  expect([ended, threadsLeftBehind()]).toEqual([false, 0]);
});

test("thread end - patience is as long as is asked for", async () => {
  const { done, exit, thread } = fakeThread();
  const ended = endThread(thread, 5000);
  await vi.advanceTimersByTimeAsync(4900);
  expect(done).toEqual(["ask"]);
  await vi.advanceTimersByTimeAsync(200);
  expect(done).toEqual(["ask", "terminate"]);
  exit();
  expect(await ended).toBe(true);
});
