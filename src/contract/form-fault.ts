import type { z } from "zod";

/** What is wrong with the form of a value: the path to the field, and the rule. */
export interface FormFault {
  readonly path: readonly PropertyKey[];
  readonly rule: string;
}

/** A client's own key may be part of the field that an answer names. */
const FIELD_CHARACTERS_MAX = 200;

/** The first fault that a schema has found. */
export function formFault({ issues }: z.core.$ZodError): FormFault {
  const issue = issues[0] as z.core.$ZodIssue;
  // What an object should not have is named as well as what it should; zod's text would repeat it all.
  const extra = issue.code === "unrecognized_keys" ? issue.keys.slice(0, 1) : [];
  const rule = extra.length > 0 ? "there is no such field" : issue.message;
  return { path: [...issue.path, ...extra], rule };
}

/** A field by its path, as an answer names it. */
export function fieldAt(...path: readonly PropertyKey[]): string {
  return path.join(".").slice(0, FIELD_CHARACTERS_MAX);
}
