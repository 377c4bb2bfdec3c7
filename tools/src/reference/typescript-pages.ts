/** The reference of the TypeScript client as Markdown, a page for each part of it. */
import type { Documented, PublicDeclaration } from "./public-declarations.ts";

const notice = "<!-- Made from sdk-ts/src by `npm run gen`; not edited. -->";

const titles: Readonly<Record<string, string>> = {
  sandbox: "Sandboxes",
  exec: "Programs",
  pty: "Terminals",
  files: "Files",
  ports: "Ports",
  monitoring: "Metrics and logs",
  errors: "Errors",
  client: "Clients and what they administer",
};

/** The same everywhere, so that the sources need not say it. */
const wellKnown: Readonly<Record<string, string>> = { signal: "Aborts the call.", cause: "What led to it." };

/** By name of the file. */
export function typescriptPages(all: readonly PublicDeclaration[]): ReadonlyMap<string, string> {
  const pages = new Map([["README.md", indexPage(all)]]);
  for (const [page, title] of Object.entries(titles)) {
    const own = all.filter((declaration) => pageOf(declaration) === page);
    const ordered = [...own.filter(({ kind }) => kind === "class"), ...own.filter(({ kind }) => kind !== "class")];
    const blocks = ordered.flatMap((declaration) => declarationBlocks(declaration, all));
    pages.set(`${page}.md`, [notice, `# ${title}`, ...blocks].join("\n\n"));
  }
  return pages;
}

function indexPage(all: readonly PublicDeclaration[]): string {
  const rows = Object.entries(titles).map(([page, title]) => {
    const names = all
      .filter((declaration) => pageOf(declaration) === page)
      .map(({ name }) => `[${name}](${page}.md#${name.toLowerCase()})`);
    return `| [${title}](${page}.md) | ${names.join(", ")} |`;
  });
  const intro = "How it is used: `sdk-ts/README.md`. What every name is:";
  return [
    notice,
    "# The TypeScript client, name by name",
    intro,
    ["| page | names |", "| --- | --- |", ...rows].join("\n"),
  ].join("\n\n");
}

function pageOf({ file }: PublicDeclaration): string {
  const [folder, name] = file.includes("/") ? file.split("/") : [undefined, file];
  if (name?.includes("error")) return "errors";
  if (folder) return folder;
  return name?.startsWith("sandbox") ? "sandbox" : "client";
}

function declarationBlocks(declaration: PublicDeclaration, all: readonly PublicDeclaration[]): string[] {
  const { name, doc, kind, signature, members } = declaration;
  const head = [`## ${name}`, code(signature), prose(doc, declaration, all)];
  if (kind !== "class") return [...head, ...memberTable(members, declaration, all)].filter((block) => block !== "");
  const described = members
    .filter((member) => member.doc !== "")
    .flatMap((member) => [`### ${name}.${member.name}`, code(member.signature), prose(member.doc, declaration, all)]);
  return [...head, ...described].filter((block) => block !== "");
}

function memberTable(
  members: readonly Documented[],
  from: PublicDeclaration,
  all: readonly PublicDeclaration[],
): string[] {
  if (members.length === 0) return [];
  const cell = (text: string) => text.replaceAll(/\s*\n\s*/g, " ").replaceAll("|", "\\|");
  const rows = members.map(({ name, signature, doc }) => {
    const type = signature
      .replace(/^readonly /, "")
      .slice(name.length)
      .replace(/^\??:\s*/, "")
      .replace(/ \| undefined$/, "");
    const optional = /^(readonly )?[\w$]+\?/.test(signature) ? "?" : "";
    return `| \`${name}${optional}\` | \`${cell(type)}\` | ${cell(prose(doc || wellKnown[name] || "", from, all))} |`;
  });
  return [["| member | type | what it is |", "| --- | --- | --- |", ...rows].join("\n")];
}

/** A docstring's words and examples. */
function prose(doc: string, from: PublicDeclaration, all: readonly PublicDeclaration[]): string {
  const [words = "", ...examples] = doc.split(/^@example\s*$/m);
  return [words.trim(), ...examples.map((example) => code(example.trim()))]
    .join("\n\n")
    .trim()
    .replaceAll(/\{@link ([\w.]+)\}/g, (_, name: string) => linkTo(name, from, all));
}

function linkTo(name: string, from: PublicDeclaration, all: readonly PublicDeclaration[]): string {
  const target = all.find((declaration) => declaration.name === name.split(".")[0]);
  if (!target) throw new Error(`${from.file} links to ${name}, which is not exported`);
  const page = pageOf(target) === pageOf(from) ? "" : `${pageOf(target)}.md`;
  // Members of what is no class are rows of a table, which have no anchor.
  const heading = target.kind === "class" ? name.replaceAll(".", "") : target.name;
  return `[\`${name}\`](${page}#${heading.toLowerCase()})`;
}

function code(text: string): string {
  return `\`\`\`ts\n${text}\n\`\`\``;
}
