import { describe, expect, it } from "vitest";
import { Emitter } from "../../src/client/emitter.js";

interface Events {
  price: number;
  text: string;
}

function emitter(): { emitter: Emitter<Events>; thrown: [unknown, keyof Events][] } {
  const thrown: [unknown, keyof Events][] = [];
  return { emitter: new Emitter((error, event) => thrown.push([error, event])), thrown };
}

describe("emitter", () => {
  it("emitter - calls listeners of the event in order, and says whether there are any", () => {
    const { emitter: events } = emitter();
    const heard: string[] = [];
    events.add("price", (price) => heard.push(`a${price}`));
    events.add("price", (price) => heard.push(`b${price}`));
    expect(events.emit("price", 1)).toBe(true);
    expect(events.emit("text", "x")).toBe(false);
    expect(heard).toEqual(["a1", "b1"]);
  });

  it("emitter - a listener goes by its own function, by off, or after once", () => {
    const { emitter: events } = emitter();
    const heard: string[] = [];
    const listener = (price: number): void => void heard.push(`l${price}`);
    const remove = events.add("price", listener);
    events.add("price", listener);
    events.add("price", (price) => heard.push(`o${price}`), true);
    events.emit("price", 1);
    remove();
    events.emit("price", 2);
    events.off("price", listener);
    expect(events.emit("price", 3)).toBe(false);
    expect(heard).toEqual(["l1", "l1", "o1", "l2"]);
  });

  it("emitter - one that throws or rejects is reported and disturbs nobody", async () => {
    const { emitter: events, thrown } = emitter();
    const heard: number[] = [];
    const errors = [new Error("thrown"), new Error("rejected")];
    events.add("price", () => {
      throw errors[0];
    });
    events.add("price", async () => {
      throw errors[1];
    });
    events.add("price", (price) => heard.push(price));
    events.emit("price", 1);
    await Promise.resolve();
    expect(heard).toEqual([1]);
    expect(thrown).toEqual([
      [errors[0], "price"],
      [errors[1], "price"],
    ]);
  });

  it("emitter - listeners that come and go meanwhile count from the next event on", () => {
    const { emitter: events } = emitter();
    const heard: string[] = [];
    const off = events.add("price", () => {
      heard.push("first");
      off();
      events.add("price", () => heard.push("late"));
    });
    events.add("price", () => heard.push("second"));
    events.emit("price", 1);
    expect(heard).toEqual(["first", "second"]);
    events.emit("price", 2);
    expect(heard).toEqual(["first", "second", "second", "late"]);
  });
});
