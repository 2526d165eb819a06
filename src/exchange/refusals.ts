import type { Refused } from "../workers/messages.js";

/** Nothing can be stored. */
export const STORE_UNAVAILABLE: Refused = {
  code: "UNAVAILABLE",
  message: "orders cannot be stored at the moment; try again",
};

/** The disk may have what it did not say that it has. */
export const STORE_UNCERTAIN: Refused = {
  code: "UNAVAILABLE",
  message:
    "it is not certain that this is not stored: it may be there when the server starts again, so try again with the same client_order_id",
};

/** A batch is on this disk, and on no standby's yet. */
export const NOT_CONFIRMED: Refused = {
  code: "UNAVAILABLE",
  message:
    "no standby has confirmed it yet: it is carried out when one does, or was refused, so try again with the same client_order_id",
};
