/** What a server says of itself at /metrics. `name` has its labels: `dnah_calls_under_way{kind="calls"}`. Not a number where there is none. */
export async function metric({ url }: { readonly url: string }, name: string): Promise<number> {
  const text = await (await fetch(`${url}/metrics`)).text();
  return Number(text.split(`\n${name} `)[1]?.split("\n")[0]);
}
