import type { z } from "zod";
import {
  type ClientMessage,
  type ClientType,
  clientData,
  type RequestId,
  requestIdSchema,
} from "../contract/client-messages-schema.js";
import type { ErrorCode } from "../contract/error-codes.js";
import { fieldAt, formFault } from "../contract/form-fault.js";
import type { EncodingDescriptor } from "./encoding.js";

/** Why a client's message was not taken; the body of an `Error` reply. */
export interface MessageFault {
  readonly code: ErrorCode;
  readonly message: string;
  /** What of the error a program can read; `field` names the field at fault. */
  readonly details?: Readonly<Record<string, unknown>>;
}

export type Decoded =
  | { readonly message: ClientMessage; readonly fault?: undefined }
  /** `id` is there when the envelope was sound enough to have one. */
  | { readonly fault: MessageFault; readonly id?: RequestId; readonly message?: undefined };

/**
 * Decodes one message of a client. Never throws: what does not parse or fit its schema is a fault
 * that names the field and the rule.
 * @param payload the WebSocket message, of the frame type that the encoding uses
 * @param valuesMax how many values it may have in all
 */
export function decodeClientMessage(
  { decoder }: Pick<EncodingDescriptor, "decoder">,
  payload: Buffer,
  valuesMax: number,
): Decoded {
  const fault = decoder.findFault(payload, valuesMax);
  if (fault !== undefined) return invalid(undefined, fault);
  let value: unknown;
  try {
    value = decoder.decode(payload);
  } catch (error) {
    return invalid(undefined, `not valid ${decoder.format}: ${(error as Error).message}`);
  }
  return parseEnvelope(value);
}

function parseEnvelope(value: unknown): Decoded {
  if (typeof value !== "object" || value === null || Array.isArray(value)) {
    return invalid(undefined, "a message is an object { type, data, id? }");
  }
  const { type, data, id: givenId } = value as Record<string, unknown>;
  const rawId = givenId ?? undefined;
  const id = rawId === undefined ? undefined : parseData(requestIdSchema, rawId);
  if (rawId !== undefined && !id?.success) {
    return invalid(
      undefined,
      "id: must be a safe integer or a string of at most 64 characters of well-formed Unicode",
      "id",
    );
  }
  if (typeof type !== "string") return invalid(id?.data, "type: must be a string", "type");
  if (!Object.hasOwn(clientData, type)) {
    const known = Object.keys(clientData).join(", ");
    return refuse(id?.data, {
      code: "UNKNOWN_TYPE",
      message: `type: ${JSON.stringify(type.slice(0, 64))} is none of ${known}`,
    });
  }
  const schema: z.ZodType = clientData[type as ClientType];
  const parsed = parseData(schema, data ?? {});
  if (parsed === undefined) return invalid(id?.data, "data: does not fit its schema", "data");
  if (!parsed.success) {
    const { path, rule } = formFault(parsed.error);
    const field = fieldAt("data", ...path);
    return invalid(id?.data, `${field}: ${rule}`, field);
  }
  // The schema was looked up by the type, which the compiler cannot follow.
  const message = {
    type,
    data: parsed.data,
    ...(id !== undefined && { id: id.data }),
  } as ClientMessage;
  return { message };
}

/** Parses; undefined where a value is made such that zod itself throws, as with a length that is none. */
function parseData<T>(schema: z.ZodType<T>, value: unknown): z.ZodSafeParseResult<T> | undefined {
  try {
    return schema.safeParse(value);
  } catch {
    return undefined;
  }
}

function invalid(id: RequestId | undefined, message: string, field?: string): Decoded {
  return refuse(id, {
    code: "INVALID_MESSAGE",
    message,
    ...(field !== undefined && { details: { field: field.toWellFormed() } }),
  });
}

function refuse(id: RequestId | undefined, fault: MessageFault): Decoded {
  // What a client wrote may be quoted in part, and then end in half a character.
  const message = fault.message.toWellFormed();
  return { fault: { ...fault, message }, ...(id !== undefined && { id }) };
}
