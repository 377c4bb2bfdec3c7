/**
 * What the TypeScript client exports, as text: names, signatures and docstrings. TypeScript 7 has no compiler API that
 * documentation tools could use (typedoc wants 6), so this reads the sources' syntax; types are shown as they were written.
 */
import { readFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { type Comment, type Program, parseSync } from "oxc-parser";

export interface Documented {
  readonly name: string;
  /** As in the source, without a body. */
  readonly signature: string;
  /** The docstring without its asterisks; empty where there is none. */
  readonly doc: string;
}

export interface PublicDeclaration extends Documented {
  readonly kind: "class" | "interface" | "type";
  /** Path from the folder of the index. */
  readonly file: string;
  readonly members: readonly Documented[];
}

type Statement = Program["body"][number];
type Declared = Extract<Statement, { type: "ExportNamedDeclaration" }>["declaration"];

interface Source {
  readonly text: string;
  readonly comments: readonly Comment[];
}

/** In the order of the index. */
export function publicDeclarations(index: string): readonly PublicDeclaration[] {
  const { program } = parse(index);
  return program.body.flatMap((statement) => {
    if (statement.type !== "ExportNamedDeclaration" || !statement.source) return [];
    const file = statement.source.value;
    const names = statement.specifiers.map(({ local }) => ("name" in local ? local.name : local.value));
    return names.map((name) => readDeclaration(join(dirname(index), file), file.replace(/^\.\//, ""), name));
  });
}

function readDeclaration(path: string, file: string, name: string): PublicDeclaration {
  const { program, source } = parse(path);
  for (const statement of program.body) {
    if (statement.type !== "ExportNamedDeclaration") continue;
    const declared = statement.declaration;
    if (!declared || !("id" in declared) || declared.id?.type !== "Identifier" || declared.id.name !== name) continue;
    return { name, file, doc: docBefore(source, statement.start), ...describe(source, declared) };
  }
  throw new Error(`${path} exports no ${name}`);
}

function describe(source: Source, declared: NonNullable<Declared>) {
  switch (declared.type) {
    case "ClassDeclaration":
      return {
        kind: "class" as const,
        signature: textOf(source, declared.start, declared.body.start),
        members: declared.body.body.flatMap((member) => {
          const isMethod = member.type === "MethodDefinition";
          if (!isMethod && member.type !== "PropertyDefinition") return [];
          if (member.key.type === "PrivateIdentifier" || member.accessibility === "private") return [];
          const end = isMethod ? (member.value.body?.start ?? member.end) : (member.value?.start ?? member.end);
          return documented(source, member.key, member.start, end);
        }),
      };
    case "TSInterfaceDeclaration":
      return {
        kind: "interface" as const,
        signature: textOf(source, declared.start, declared.body.start),
        members: declared.body.body.flatMap((member) =>
          "key" in member ? documented(source, member.key, member.start, member.end) : [],
        ),
      };
    case "TSTypeAliasDeclaration":
      return { kind: "type" as const, signature: textOf(source, declared.start, declared.end), members: [] };
    default:
      throw new Error(`no words for a ${declared.type}`);
  }
}

function documented(source: Source, key: { start: number; end: number }, start: number, end: number): Documented[] {
  const doc = docBefore(source, start);
  if (doc.startsWith("@internal")) return [];
  const signature = textOf(source, start, end)
    .replace(/^(override |async )+/, "")
    .replace(/\s*=$/, "");
  const name = source.text.slice(key.start, key.end);
  return [{ name: name.startsWith("Symbol.") ? `[${name}]` : name, signature, doc }];
}

function textOf({ text }: Source, start: number, end: number): string {
  return text.slice(start, end).trim().replace(/;$/, "");
}

function docBefore({ text, comments }: Source, start: number): string {
  const isBetween = (from: number) =>
    text
      .slice(from, start)
      .replaceAll(/^\s*\/\/.*$/gm, "")
      .trim() === "";
  const comment = comments.findLast(({ type, end }) => type === "Block" && end <= start && isBetween(end));
  if (!comment?.value.startsWith("*")) return "";
  return comment.value.replaceAll(/^\s*\* ?/gm, "").trim();
}

function parse(path: string): { readonly program: Program; readonly source: Source } {
  const text = readFileSync(path, "utf8");
  const { program, comments, errors } = parseSync(path, text);
  if (errors.length > 0) throw new Error(`${path} can't be read: ${errors[0]?.message}`);
  return { program, source: { text, comments } };
}
