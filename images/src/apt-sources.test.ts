import { expect, test } from "vitest";
import { parseDeb822Sources, parseOneLineSources } from "./apt-sources.ts";

test("one-line sources give their URI, suite and components, with or without options", () => {
  const text = `# deb http://old.example/debian buster main
deb [arch=amd64 signed-by=/k.gpg] http://m.example/debian bookworm main contrib # why
deb-src http://m.example/debian bookworm main
deb http://s.example/debian-security bookworm-security main`;
  expect(parseOneLineSources(text)).toEqual([
    { uris: ["http://m.example/debian"], suites: ["bookworm"], components: ["main", "contrib"] },
    { uris: ["http://s.example/debian-security"], suites: ["bookworm-security"], components: ["main"] },
  ]);
});

test("deb822 stanzas may be continued, commented inside, and disabled", () => {
  const text = `Types: deb deb-src
# a comment does not end the stanza
URIs: http://m.example/debian
Suites: trixie
  trixie-updates
Components: main
Signed-By:
 -----BEGIN PGP PUBLIC KEY BLOCK-----
 .
 -----END PGP PUBLIC KEY BLOCK-----

Types: deb
Enabled: no
URIs: http://off.example/debian
Suites: trixie
Components: main
`;
  expect(parseDeb822Sources(text)).toEqual([
    { uris: ["http://m.example/debian"], suites: ["trixie", "trixie-updates"], components: ["main"] },
  ]);
});
