import type { BaselineReply, BaselineRequest, StartRequest } from "./baseline-messages.js";
import { pace } from "./pacer.js";
import { type PriceUpdate, priceUpdates } from "./price-updates.js";

/** The part that the baseline servers share: says where it listens, and publishes as it is told. */
export function runBaseline(port: number, publish: (update: PriceUpdate) => void): void {
  let published = 0;
  const reply = (message: BaselineReply): void => {
    process.send?.(message);
  };
  const start = ({ rate, batchMax, messageBytes }: StartRequest): void => {
    const next = priceUpdates(messageBytes);
    pace(rate, batchMax, (dueMicros) => {
      publish(next(dueMicros));
      published++;
    });
  };
  process.on("message", (request: BaselineRequest) => {
    if (request.kind === "start") start(request);
    if (request.kind === "published") reply({ kind: "published", published });
  });
  process.on("disconnect", () => process.exit());
  reply({ kind: "listening", port });
}
