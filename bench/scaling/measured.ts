import type { Costs } from "./costs.js";

/** What docs/scaling.md reckons with; it says where each is from. */
export const MEASURED: Costs = {
  // An estimate: no bench measures it.
  nodeBytes: 110e6,
  connectionBytes: 11_500,
  marketBytes: 10_600,
  deliveryMicros: 9,
  messageBytes: 141,
  connectMicros: 350,
  edgeMicrosPerRecord: 2.2,
  recordBytes: 36,
  redisMicrosPerEntry: 30,
  redisMicrosPerRead: 13,
  redisBytesPerRead: 108,
};
