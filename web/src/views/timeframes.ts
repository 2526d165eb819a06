import { byId, element } from "../dom.js";
import { TIMEFRAMES, type Timeframe } from "../model/candle-series.js";

const STORED = "marketcast.timeframe";

/** The choice of how long the candles are; remembered by the browser. */
export class Timeframes {
  #chosen: Timeframe;

  constructor(changed: () => void) {
    const stored = localStorage.getItem(STORED);
    this.#chosen = TIMEFRAMES.find((timeframe) => timeframe === stored) ?? "1m";
    for (const timeframe of TIMEFRAMES) {
      const radio = element("input", {
        type: "radio",
        id: `timeframe-${timeframe}`,
        name: "timeframe",
        value: timeframe,
        checked: timeframe === this.#chosen,
      });
      radio.addEventListener("change", () => {
        this.#chosen = timeframe;
        localStorage.setItem(STORED, timeframe);
        changed();
      });
      byId("timeframes").append(element("label", {}, radio, element("span", {}, timeframe)));
    }
  }

  get chosen(): Timeframe {
    return this.#chosen;
  }
}
