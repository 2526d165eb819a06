import type { SystemStatus } from "marketcast/client";
import { byId } from "../dom.js";
import { duration, fixed } from "../format.js";

/** What the server says of itself, in one line; undefined where it says nothing now. */
export function showSystem(status: SystemStatus | undefined): void {
  const line = byId("system");
  if (status === undefined) {
    line.dataset["state"] = "";
    line.textContent = "Not connected";
    return;
  }
  const { state, reasons, connections, shards, markets, uptime_s, version } = status;
  const count = (number: number, one: string, many: string): string =>
    `${fixed(number, 0)} ${number === 1 ? one : many}`;
  line.dataset["state"] = state;
  line.textContent = [
    `Marketcast ${version}`,
    state === "ok" ? "all systems normal" : `${state}: ${reasons.join(", ")}`,
    count(markets, "market", "markets"),
    count(connections, "connection", "connections"),
    count(shards, "shard", "shards"),
    `up ${duration(uptime_s)}`,
  ].join(" · ");
}
