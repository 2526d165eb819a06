/** Deepest nesting of objects and lists that is taken; no message of the protocol comes near it. */
export const VALUE_DEPTH_MAX = 16;
/** Most fields that the objects of a message may have, all together; a full request has some 700. */
export const FIELDS_MAX = 1024;

export function nestedTooDeep(): string {
  return `nested more than ${VALUE_DEPTH_MAX} deep`;
}

/** What is wrong with the number of values of a message, or undefined. */
export function valuesFault(values: number, valuesMax: number): string | undefined {
  return values > valuesMax ? `it has more than ${valuesMax} values` : undefined;
}

/** What is wrong with the number of fields of a message, or undefined. */
export function fieldsFault(fields: number): string | undefined {
  return fields > FIELDS_MAX ? `it has more than ${FIELDS_MAX} fields` : undefined;
}
