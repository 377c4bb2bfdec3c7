/** A sandbox of the test platform, for the tests of one file. */
import { type Api, connectApi, inSandbox, shell } from "./api.ts";

export interface OwnSandbox extends AsyncDisposable {
  readonly api: Api;
  readonly id: string;
  /** What a call into it is given. */
  readonly here: (signal?: AbortSignal) => ReturnType<typeof inSandbox>;
  readonly run: (line: string) => ReturnType<typeof shell>;
}

export async function ownSandbox(): Promise<OwnSandbox> {
  const api = connectApi();
  const { sandbox } = await api.sandboxes.createSandbox({});
  const id = sandbox?.id as string;
  return {
    ...{ api, id },
    here: (signal) => inSandbox(id, signal),
    run: (line) => shell(api, id, line),
    async [Symbol.asyncDispose]() {
      await api.sandboxes.deleteSandbox({ sandboxId: id });
    },
  };
}
