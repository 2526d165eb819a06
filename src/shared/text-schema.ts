import { z } from "zod";
import { type TextKind, textFault } from "./text.js";

/** A text from outside of a kind, of `min` to `max` UTF-16 code units; see text.ts. */
export function textSchema(kind: TextKind, { min = 0, max }: { min?: number; max: number }) {
  return z
    .string()
    .min(min)
    .max(max)
    .check(({ value, issues }) => {
      const fault = textFault(kind, value);
      if (fault !== undefined) issues.push({ code: "custom", input: value, message: fault });
    });
}

/** The name of a trading account. */
export const walletSchema = textSchema("name", { min: 1, max: 128 });
/** Who a token is for. */
export const userIdSchema = textSchema("name", { min: 1, max: 256 });
export const roleSchema = textSchema("name", { max: 64 });
