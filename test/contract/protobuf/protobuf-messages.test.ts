import protobuf from "protobufjs";
import { describe, expect, it } from "vitest";
import {
  CLIENT_MESSAGE,
  SERVER_MESSAGE,
} from "../../../src/contract/protobuf/protobuf-messages.js";
import type { Field, MessageTable } from "../../../src/contract/protobuf/protobuf-table.js";
import { isOptional, protoRoot, wordOf } from "../../support/protobuf-json.js";

/** What proto/marketcast.proto and a table say of a message, in the same words. */
type Facts = Record<string, unknown>;

function factsOfType(type: protobuf.Type): Facts {
  return Object.fromEntries(
    type.fieldsArray.map((field) => {
      const { resolvedType } = field;
      return [
        field.id,
        {
          repeated: field.repeated,
          optional: isOptional(field),
          oneof: field.partOf !== null && !isOptional(field),
          kind:
            resolvedType instanceof protobuf.Type
              ? factsOfType(resolvedType)
              : resolvedType instanceof protobuf.Enum
                ? Object.fromEntries(
                    Object.values(resolvedType.values)
                      .filter((number) => number !== 0)
                      .map((number) => [wordOf(resolvedType, number), number]),
                  )
                : field.type,
          name: field.partOf === null || isOptional(field) ? field.name : undefined,
        },
      ];
    }),
  );
}

const LEVEL = factsOfType(protoRoot.lookupType("marketcast.v3.Level"));
const CANDLE = factsOfType(protoRoot.lookupType("marketcast.v3.Candle"));

function kindOf({ value }: Field): unknown {
  if (value.kind === "message") return factsOfTable(value.of);
  if (value.kind === "enum") return { ...value.of.numbers };
  if (value.kind === "level") return LEVEL;
  if (value.kind === "candle") return CANDLE;
  if (value.kind === "marketId") return "uint64";
  return value.kind === "json" ? "string" : value.kind;
}

function factsOfTable({ entries, union: kind, beside }: MessageTable): Facts {
  const facts: Facts = {};
  for (const [number, entry] of entries.entries()) {
    if (entry === undefined) continue;
    const { field, high } = entry;
    const { absent, list, value } = field;
    const union = beside.includes(field) ? undefined : kind;
    facts[number] = {
      repeated: list,
      // A message is there or not, whether it says so or not.
      optional: union === undefined && !list && isOptionalField(absent, value.kind),
      oneof: union !== undefined,
      kind: kindOf(field),
      name: union === undefined ? `${field.name}${high ? "_high" : ""}` : undefined,
    };
  }
  return facts;
}

function isOptionalField(absent: Field["absent"], kind: string): boolean {
  return (absent === "nothing" || absent === "null") && kind !== "message";
}

/** `optional` before a message changes nothing. */
function withoutOptionalMessages(facts: Facts): Facts {
  return Object.fromEntries(
    Object.entries(facts).map(([number, fact]) => {
      const { kind, ...rest } = fact as { kind: unknown; optional: boolean; name?: string };
      const isMessage =
        typeof kind === "object" && Object.keys(kind as object).every((key) => /^\d+$/.test(key));
      return [
        number,
        isMessage
          ? { ...rest, optional: false, kind: withoutOptionalMessages(kind as Facts) }
          : { ...rest, kind },
      ];
    }),
  );
}

describe("protobuf-messages", () => {
  it.each([
    ["ClientMessage", CLIENT_MESSAGE],
    ["ServerMessage", SERVER_MESSAGE],
  ])("protobuf-messages - the table of %s says what the shipped file says", (name, table) => {
    const facts = factsOfType(protoRoot.lookupType(`marketcast.v3.${name}`));
    expect(withoutOptionalMessages(factsOfTable(table))).toEqual(withoutOptionalMessages(facts));
  });

  it("protobuf-messages - the types of the contract stand behind the file's names for them", () => {
    for (const [name, { fields }] of [
      ["ClientMessage", CLIENT_MESSAGE],
      ["ServerMessage", SERVER_MESSAGE],
    ] as const) {
      const { fieldsById } = protoRoot.lookupType(`marketcast.v3.${name}`);
      for (const field of fields) expect(fieldsById[field.number]?.type).toBe(field.name);
    }
  });

  it("protobuf-messages - no number has more than one byte of a tag in the hot messages", () => {
    for (const type of ["PriceUpdate", "MarketUpdate", "OrderBook", "TradeExecution"])
      expect(SERVER_MESSAGE.fields.find(({ name }) => name === type)?.number).toBeLessThan(16);
  });
});
