export type AptSource = {
  readonly uris: readonly string[];
  readonly suites: readonly string[];
  readonly components: readonly string[];
};

/** Reads apt's one-line style: `deb [options] uri suite component...`. */
export function parseOneLineSources(text: string): AptSource[] {
  const sources: AptSource[] = [];
  for (const raw of text.split("\n")) {
    const line = raw.replace(/#.*/, "").trim();
    const match = /^deb\s+(?:\[[^\]]*\]\s+)?(\S+)\s+(\S+)\s*(.*)$/.exec(line);
    if (match === null) continue;
    const [, uri = "", suite = "", components = ""] = match;
    sources.push({ uris: [uri], suites: [suite], components: words(components) });
  }
  return sources;
}

/** Reads apt's deb822 style: stanzas of `Field: value`, continued by indented lines. */
export function parseDeb822Sources(text: string): AptSource[] {
  const sources: AptSource[] = [];
  // A comment is no blank line: it must vanish, lest it cut a stanza in two.
  const lines = text.split("\n").filter((line) => !line.startsWith("#"));
  for (const stanza of lines.join("\n").split(/\n[ \t]*\n/)) {
    const fields = new Map<string, string>();
    let last = "";
    for (const line of stanza.split("\n")) {
      const match = /^([A-Za-z][\w-]*):(.*)$/.exec(line);
      if (match !== null) {
        last = (match[1] ?? "").toLowerCase();
        fields.set(last, match[2] ?? "");
      } else if (/^\s/.test(line) && last !== "") fields.set(last, `${fields.get(last) ?? ""} ${line}`);
    }
    const get = (name: string) => words(fields.get(name) ?? "");
    if (!get("types").includes("deb") || get("uris").length === 0) continue;
    if (/^\s*(no|false|0|off|disable)\b/i.test(fields.get("enabled") ?? "")) continue;
    sources.push({ uris: get("uris"), suites: get("suites"), components: get("components") });
  }
  return sources;
}

function words(text: string): string[] {
  return text.split(/\s+/).filter((word) => word !== "");
}
