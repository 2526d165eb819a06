import type { PayloadDecoder } from "../../encoding.js";
import { findJsonBoundsFault } from "./json-structure.js";

/** Decodes JSON; that it is JSON at all the parser finds out. */
export const jsonDecoder: PayloadDecoder = {
  format: "JSON",
  findFault: findJsonBoundsFault,
  decode: (payload) => JSON.parse(payload.toString("utf8")),
};
