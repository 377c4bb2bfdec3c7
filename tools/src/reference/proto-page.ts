/** The reference of one proto file as Markdown. */
import type { AnyDesc, DescEnum, DescField, DescFile, DescMessage, DescMethod, DescService } from "@bufbuild/protobuf";
import { ScalarType } from "@bufbuild/protobuf";
import { getComments, getSyntaxComments } from "@bufbuild/protoplugin";
import { rulesOf } from "./field-rules.ts";

const notice = "<!-- Made from the protos by `npm run gen`; not edited. -->";

export function pageNameOf(file: DescFile): string {
  return `${file.name.split("/").at(-1)}.md`;
}

export function indexPage(files: readonly DescFile[]): string {
  const lines = files.map((file) => {
    const names = file.services.map((service) => `\`${service.name}\``).join(", ");
    return `| [${pageNameOf(file)}](${pageNameOf(file)}) | ${names} | ${firstSentence(fileComment(file))} |`;
  });
  return blocks([
    notice,
    "# The API, call by call",
    "Every call is `POST /<package>.<service>/<method>`, in Connect, gRPC or gRPC-Web, as JSON or protobuf. The rules are held by the\nserver: what breaks one is `invalid_argument` with reason `FIELD_INVALID`. All reasons: [error.md](error.md#errorreason).",
    ["| page | services | about |", "| --- | --- | --- |", ...lines].join("\n"),
  ]);
}

export function protoPage(file: DescFile): string {
  const messages = file.messages.filter((message) => !message.proto.options?.mapEntry);
  return blocks([
    notice,
    `# ${file.name}.proto`,
    fileComment(file),
    ...file.services.flatMap(serviceBlocks),
    ...(messages.length > 0 ? ["## Messages"] : []),
    ...messages.flatMap(messageBlocks),
    ...(file.enums.length > 0 ? ["## Enums"] : []),
    ...file.enums.flatMap(enumBlocks),
  ]);
}

function serviceBlocks(service: DescService): string[] {
  return [
    `## ${service.name}`,
    commentOf(service),
    ...service.methods.flatMap((method) => methodBlocks(service, method)),
  ];
}

function methodBlocks(service: DescService, method: DescMethod): string[] {
  const stream = method.methodKind === "server_streaming" ? "a stream of " : "";
  return [
    `### ${method.name}`,
    commentOf(method),
    `\`POST /${service.typeName}/${method.name}\`: ${linkTo(method.input, service.file)} → ${stream}${linkTo(method.output, service.file)}`,
  ];
}

function messageBlocks(message: DescMessage): string[] {
  const rows = message.fields.map((field) => {
    const { oneof } = field;
    const choice = oneof ? `One of \`${oneof.name}\`. ` : "";
    const rules = rulesOf(field);
    const words = `${choice}${inCell(commentOf(field))}${rules ? ` *${inCell(rules)}*` : ""}`;
    return `| \`${field.name}\` | ${field.number} | ${typeOf(field)} | ${words} |`;
  });
  const table = ["| field | no. | type | what it is, *its rules* |", "| --- | --- | --- | --- |", ...rows].join("\n");
  return [`### ${message.name}`, commentOf(message), ...(rows.length > 0 ? [table] : [])];
}

function enumBlocks(values: DescEnum): string[] {
  const rows = values.values.map((value) => `| \`${value.name}\` | ${value.number} | ${inCell(commentOf(value))} |`);
  return [
    `### ${values.name}`,
    commentOf(values),
    ["| value | no. | what it is |", "| --- | --- | --- |", ...rows].join("\n"),
  ];
}

function typeOf(field: DescField): string {
  const { file } = field.parent;
  switch (field.fieldKind) {
    case "scalar":
      return scalarName(field.scalar);
    case "message":
      return linkTo(field.message, file);
    case "enum":
      return linkTo(field.enum, file);
    case "list":
      return `list of ${field.listKind === "scalar" ? scalarName(field.scalar) : linkTo(field.message ?? field.enum, file)}`;
    case "map": {
      const value = field.mapKind === "scalar" ? scalarName(field.scalar) : linkTo(field.message ?? field.enum, file);
      return `map of ${scalarName(field.mapKey)} to ${value}`;
    }
  }
}

function scalarName(scalar: ScalarType): string {
  return (ScalarType[scalar] ?? "").toLowerCase();
}

/** Types of protobuf itself have no page of ours. */
function linkTo(type: DescMessage | DescEnum, from: DescFile): string {
  if (type.file.proto.package !== from.proto.package) return type.name;
  const page = type.file === from ? "" : pageNameOf(type.file);
  return `[${type.name}](${page}#${type.name.toLowerCase()})`;
}

function commentOf(desc: Exclude<AnyDesc, DescFile>): string {
  return unindented(getComments(desc).leading);
}

function fileComment(file: DescFile): string {
  return unindented(getSyntaxComments(file).leading);
}

function unindented(comment: string | undefined): string {
  return (comment ?? "").replaceAll(/^ /gm, "").trim();
}

function firstSentence(text: string): string {
  return inCell(/^.*?\.(?=\s|$)/s.exec(text)?.[0] ?? text);
}

function inCell(text: string): string {
  return text.replaceAll(/\s*\n\s*/g, " ").replaceAll("|", "\\|");
}

function blocks(all: readonly string[]): string {
  return all.filter((block) => block !== "").join("\n\n");
}
