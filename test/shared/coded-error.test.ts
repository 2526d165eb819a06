import { expect, it } from "vitest";
import { CodedError } from "../../src/shared/coded-error.js";

class Late extends CodedError<"LATE"> {
  constructor(message: string, options?: ErrorOptions) {
    super("LATE", message, options);
  }
}

it("coded error - has its code, the name of its class, its message and its cause", () => {
  const cause = new Error("the train");
  const error = new Late("too late", { cause });
  expect(error).toBeInstanceOf(CodedError);
  expect(error).toMatchObject({ code: "LATE", name: "Late", message: "too late", cause });
  expect(String(error)).toBe("Late: too late");
  expect(error.stack).toMatch(/^(Late|Error): too late\n.*coded-error\.test/);
});
