import { ERROR_CODES, HTTP_ERROR_CODES } from "../../../../contract/error-codes.js";
import { type JsonSchema, objectSchema } from "../../../../contract/json-schema.js";
import type { Info } from "./info.js";
import type { Parameter } from "./parameters.js";
import { ID, ID_PARAMETER, type Route } from "./routes.js";

const ERROR = objectSchema({
  error: objectSchema(
    {
      code: { type: "string", enum: [...ERROR_CODES, ...HTTP_ERROR_CODES] },
      message: { type: "string" },
      details: objectSchema({ field: { type: "string" } }),
    },
    ["code", "message"],
  ),
});

/** The description of what is answered over HTTP: an OpenAPI 3.1 document. */
export function openApi(routes: readonly Route[], { version, limits }: Info): JsonSchema {
  return {
    openapi: "3.1.0",
    info: {
      title: "Marketcast",
      version,
      description:
        "Public market data over HTTP. Pushes, orders and private data go by the WebSocket.",
      "x-limits": limits,
    },
    servers: [{ url: "/" }],
    paths: Object.fromEntries(
      routes.map((route) => [route.path, { get: operationOf(route), head: operationOf(route) }]),
    ),
    components: {
      schemas: { Error: ERROR },
      responses: {
        Error: {
          description: "An error",
          content: { "application/json": { schema: { $ref: "#/components/schemas/Error" } } },
        },
      },
    },
  };
}

function operationOf({ path, summary, parameters, schema }: Route): JsonSchema {
  const ofMarket = path.includes(ID);
  const content =
    schema === undefined
      ? { "text/plain": { schema: { type: "string" } } }
      : { "application/json": { schema } };
  const error = { $ref: "#/components/responses/Error" };
  return {
    summary,
    parameters: [
      ...(ofMarket ? [parameterOf("id", "path", ID_PARAMETER)] : []),
      ...Object.entries(parameters).map(([name, one]) => parameterOf(name, "query", one)),
    ],
    responses: {
      200: { description: summary, content },
      400: error,
      404: error,
      503: error,
    },
  };
}

function parameterOf(
  name: string,
  place: "path" | "query",
  { description, schema, required }: Parameter<unknown>,
): JsonSchema {
  return {
    name,
    in: place,
    description,
    ...((place === "path" || required === true) && { required: true }),
    schema,
    // A list stands between commas.
    ...(schema["type"] === "array" && { style: "form", explode: false }),
  };
}
