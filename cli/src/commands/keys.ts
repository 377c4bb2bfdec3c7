import { Argument, type Command, Option } from "commander";
import type { Scope } from "daytonah";
import { contextOf } from "../client.ts";
import { note, print, printJson, tableOf } from "../output.ts";

const scopes: readonly Scope[] = ["sandboxes:read", "sandboxes:write", "keys:write", "admin"];

/** Registers `dnah keys create`, `ls` and `revoke`. */
export function registerKeys(program: Command): void {
  const keys = program.command("keys").description("the API keys of your organization");
  keys
    .command("create")
    .description("make a key and print its secret, this once")
    .argument("<name>", "a name for people")
    .addOption(
      new Option("-s, --scope <scope...>", "what it may do (default: sandboxes:read sandboxes:write)").choices(scopes),
    )
    .addOption(new Option("--format <format>", "how the secret looks").choices(["dnah", "e2b"]).default("dnah"))
    .action(async (name: string, flags: { scope?: Scope[]; format: "dnah" | "e2b" }, command: Command) => {
      const { client, json } = contextOf(command);
      const { apiKey, secret } = await client.apiKeys.create({ name, scopes: flags.scope, format: flags.format });
      if (json) return printJson({ apiKey, secret });
      await note(`dnah: ${apiKey.id} may ${apiKey.scopes.join(", ")}. Keep its secret; it is not shown again:`);
      await print(`${secret}\n`);
    });
  keys
    .command("ls")
    .description("list the keys, newest first, without their secrets")
    .action(async (_flags: object, command: Command) => {
      const { client, json } = contextOf(command);
      const all = await Array.fromAsync(client.apiKeys.list());
      if (json) return printJson(all);
      const rows = all.map((key) => [key.id, key.prefix, key.createTime.toISOString(), key.scopes.join(","), key.name]);
      await print(tableOf(["ID", "PREFIX", "CREATED", "SCOPES", "NAME"], rows));
    });
  keys
    .command("revoke")
    .description("end a key at once")
    .addArgument(new Argument("<id>", "its id, key_…"))
    .action(async (id: string, _flags: object, command: Command) => {
      const { client, json } = contextOf(command);
      await client.apiKeys.revoke(id);
      await (json ? printJson({ revoked: id }) : print(`${id}\n`));
    });
}
