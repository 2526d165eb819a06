import type { BatchForm } from "../../encoding.js";

/** A batch is an array of messages. */
export const jsonBatches: BatchForm = {
  bareAlone: true,
  begin: (out) => out.ascii("["),
  before(out, _bytes, first) {
    if (!first) out.ascii(",");
  },
  end: (out) => out.ascii("]"),
};
