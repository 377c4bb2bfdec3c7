import { readFileSync } from "node:fs";
import { Ajv } from "ajv";
import standaloneCode from "ajv/dist/standalone/index.js";
import { parse } from "yaml";

const FILE = new URL("../testdata/cloud-hypervisor-v53.openapi.yaml", import.meta.url);

type Schema = Record<string, unknown>;

interface Operation {
  readonly requestBody?: { readonly content: Record<string, { readonly schema: Schema }> };
}

/** Cloud Hypervisor's own OpenAPI document, with every object closed: the VMM ignores a field it does not know. */
export interface OpenApi {
  /** "PUT /vm.create" → the schema of its body, for `ajv`; undefined where it takes none. */
  readonly requests: ReadonlyMap<string, Schema | undefined>;
  readonly ajv: Ajv;
  /** An ES module: `validators["PUT /vm.create"](body)` and its `.errors`; null where there is no body. */
  readonly source: string;
}

export function readOpenApi(): OpenApi {
  const document = parse(readFileSync(FILE, "utf8")) as {
    paths: Record<string, Record<string, Operation>>;
    components: { schemas: Record<string, Schema> };
  };
  // Integer widths are Rust's; ajv knows none of them.
  const ajv = new Ajv({ strict: false, validateFormats: false, code: { source: true, esm: true } });
  ajv.addSchema({ $id: "openapi", components: { schemas: mapValues(document.components.schemas, closed) } });
  const requests = new Map<string, Schema | undefined>();
  for (const [path, methods] of Object.entries(document.paths)) {
    for (const [method, { requestBody }] of Object.entries(methods)) {
      const schema = requestBody?.content["application/json"]?.schema;
      requests.set(`${method.toUpperCase()} ${path}`, schema && inDocument(schema));
    }
  }
  const names: Record<string, string> = {};
  const table: string[] = [];
  for (const [index, [request, schema]] of [...requests].entries()) {
    if (schema !== undefined) {
      const name = `request${index}`;
      ajv.addSchema(schema, name);
      names[name] = name;
    }
    table.push(`${JSON.stringify(request)}: ${schema === undefined ? "null" : `request${index}`}`);
  }
  const code = (standaloneCode as unknown as (ajv: Ajv, names: Record<string, string>) => string)(ajv, names);
  return { requests, ajv, source: `${code}\nexport const validators = { ${table.join(", ")} };\n` };
}

/** A schema of the document, for the answers. */
export function schemaRef(name: string): Schema {
  return { $ref: `openapi#/components/schemas/${name}` };
}

function inDocument(schema: Schema): Schema {
  return JSON.parse(JSON.stringify(schema).replaceAll('"#/', '"openapi#/'));
}

function closed(schema: Schema): Schema {
  const { properties } = schema as { properties?: Record<string, Schema> };
  return properties === undefined ? schema : { additionalProperties: false, ...schema };
}

function mapValues<T>(record: Record<string, T>, map: (value: T) => T): Record<string, T> {
  return Object.fromEntries(Object.entries(record).map(([key, value]) => [key, map(value)]));
}
