import { ClientClosedError, type HistoryItems } from "marketcast/client";
import { describe, expect, it } from "vitest";
import { WalletHistory } from "../../web/src/wallet-history.js";

type Answer = (page: readonly number[] | undefined | Error) => void;

/** A history whose pages come when the test says; undefined for the end. */
function world() {
  const answers: Answer[] = [];
  const loaded: number[][] = [];
  const pages = (): AsyncIterableIterator<readonly number[]> => ({
    next: () =>
      new Promise((resolve, reject) => {
        answers.push((page) => {
          if (page instanceof Error) reject(page);
          else if (page === undefined) resolve({ done: true, value: undefined });
          else resolve({ done: false, value: page });
        });
      }),
    [Symbol.asyncIterator]() {
      return this;
    },
  });
  const statuses: string[] = [];
  const items = { pages, ...pages() } as unknown as HistoryItems<number>;
  const history: WalletHistory<number> = new WalletHistory(() => items, {
    loaded: (page) => loaded.push([...page]),
    changed: () => statuses.push(history.standing.status),
  });
  const answer = async (page: readonly number[] | undefined | Error): Promise<void> => {
    answers.shift()?.(page);
    await new Promise((resolve) => setImmediate(resolve));
  };
  return { history, answers, loaded, statuses, answer };
}

describe("wallet-history", () => {
  it("wallet-history - goes back page by page, and knows when that is all", async () => {
    const { history, answers, loaded, answer } = world();
    expect(history.standing.status).toBe("nothing");
    history.more();
    expect(answers.length).toBe(0);
    history.begin();
    expect(history.standing.status).toBe("loading");
    await answer([9, 8]);
    expect(loaded).toEqual([[9, 8]]);
    await answer([7, 6]);
    expect(history.standing.status).toBe("more");
    // What comes next is there before it is asked for.
    expect(loaded).toEqual([[9, 8]]);
    history.more();
    expect(loaded).toEqual([
      [9, 8],
      [7, 6],
    ]);
    await answer(undefined);
    expect(history.standing.status).toBe("complete");
    history.more();
    expect([answers.length, loaded.length]).toEqual([0, 2]);
  });

  it("wallet-history - begins anew where something may have been missed, and takes no page of before", async () => {
    const { history, answers, loaded, answer } = world();
    history.begin();
    history.begin();
    await answer([1]);
    expect(loaded).toEqual([]);
    await answer([2]);
    expect(loaded).toEqual([[2]]);
    history.end();
    await answer([3]);
    expect(loaded).toEqual([[2]]);
    expect([history.standing.status, answers.length]).toEqual(["nothing", 0]);
  });

  it("wallet-history - says why it is not there, and tries again; a client that was closed is followed", async () => {
    const { history, answer } = world();
    history.begin();
    await answer(new Error("no exchange"));
    expect(history.standing).toEqual({ status: "failed", why: "no exchange" });
    history.more();
    await answer(undefined);
    await answer(undefined);
    expect(history.standing.status).toBe("complete");
    history.begin();
    await answer(new ClientClosedError("closed", 1000, false));
    expect(history.standing.status).toBe("loading");
  });
});
