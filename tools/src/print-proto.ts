/**
 * Prints a file descriptor as .proto source.
 *
 * protovalidate's npm package ships its rules as a descriptor and no .proto file, which buf needs. Printing the
 * descriptor keeps one source of truth and asks no schema registry. Options other than defaults are left out:
 * nobody reads them from this copy.
 */
import type { DescEnum, DescExtension, DescField, DescFile, DescMessage, DescOneof } from "@bufbuild/protobuf";
import { ScalarType } from "@bufbuild/protobuf";
import { Edition } from "@bufbuild/protobuf/wkt";

export function printProto(file: DescFile): string {
  if (file.edition !== Edition.EDITION_PROTO2 && file.edition !== Edition.EDITION_PROTO3) {
    throw new Error(`${file.proto.name} has edition ${file.edition}; only proto2 and proto3 can be printed`);
  }
  const blocks = [
    `syntax = "${file.edition === Edition.EDITION_PROTO2 ? "proto2" : "proto3"}";`,
    `package ${file.proto.package};`,
    file.dependencies.map((dependency) => `import "${dependency.proto.name}";`).join("\n"),
    ...file.extensions.map(printExtension),
    ...file.messages.map((message) => printMessage(message, "")),
    ...file.enums.map((e) => printEnum(e, "")),
  ];
  return `${blocks.filter((block) => block !== "").join("\n\n")}\n`;
}

function printMessage(message: DescMessage, indent: string): string {
  const inner = `${indent}  `;
  const nestedMessages = message.nestedMessages.filter((nested) => !nested.proto.options?.mapEntry);
  const lines = [
    ...message.nestedEnums.map((e) => printEnum(e, inner)),
    ...nestedMessages.map((nested) => printMessage(nested, inner)),
    ...message.nestedExtensions.map((extension) => printExtension(extension)),
    ...message.proto.extensionRange.map((range) => `${inner}extensions ${range.start} to ${lastOf(range.end)};`),
    ...message.proto.reservedRange.map((range) => `${inner}reserved ${range.start} to ${lastOf(range.end)};`),
    ...message.proto.reservedName.map((name) => `${inner}reserved "${name}";`),
    ...message.members.map((member) =>
      member.kind === "oneof" ? printOneof(member, inner) : `${inner}${printField(member)}`,
    ),
  ];
  return `${indent}message ${message.name} {\n${lines.join("\n")}\n${indent}}`;
}

/** A range's end is exclusive in descriptors and inclusive in source; the highest possible number is `max`. */
function lastOf(end: number): string {
  return end - 1 >= 536_870_911 ? "max" : String(end - 1);
}

function printOneof(oneof: DescOneof, indent: string): string {
  return `${indent}oneof ${oneof.name} {\n${oneof.fields.map((f) => `${indent}  ${printField(f, true)}`).join("\n")}\n${indent}}`;
}

function printField(field: DescField | DescExtension, inOneof = false): string {
  const proto2 = field.kind === "extension" ? field.file.edition : field.parent.file.edition;
  const repeated = field.fieldKind === "list";
  const label = repeated
    ? "repeated "
    : inOneof || field.fieldKind === "map"
      ? ""
      : proto2 === Edition.EDITION_PROTO2 || field.proto.proto3Optional
        ? "optional "
        : "";
  const options = field.proto.defaultValue ? ` [default = ${field.proto.defaultValue}]` : "";
  return `${label}${typeOf(field)} ${field.name} = ${field.number}${options};`;
}

function typeOf(field: DescField | DescExtension): string {
  switch (field.fieldKind) {
    case "scalar":
      return scalarName(field.scalar);
    case "message":
      return `.${field.message.typeName}`;
    case "enum":
      return `.${field.enum.typeName}`;
    case "list":
      return field.listKind === "scalar"
        ? scalarName(field.scalar)
        : `.${field.listKind === "message" ? field.message.typeName : field.enum.typeName}`;
    case "map": {
      const value =
        field.mapKind === "scalar"
          ? scalarName(field.scalar)
          : `.${field.mapKind === "message" ? field.message.typeName : field.enum.typeName}`;
      return `map<${scalarName(field.mapKey)}, ${value}>`;
    }
  }
}

function scalarName(scalar: ScalarType): string {
  return (ScalarType[scalar] as string).toLowerCase();
}

function printExtension(extension: DescExtension): string {
  return `extend .${extension.extendee.typeName} {\n  ${printField(extension)}\n}`;
}

function printEnum(e: DescEnum, indent: string): string {
  const values = e.values.map((value) => `${indent}  ${value.name} = ${value.number};`);
  return `${indent}enum ${e.name} {\n${values.join("\n")}\n${indent}}`;
}
