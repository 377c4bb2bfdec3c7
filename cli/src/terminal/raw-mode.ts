/** Our own terminal, handed through: every key as it is, nothing echoed. */

/** Undone when it is disposed, and when dnah ends in any other way. Does nothing where standard input is no terminal. */
export function enterRawMode(input: NodeJS.ReadStream): Disposable {
  if (!input.isTTY) return { [Symbol.dispose]: () => undefined };
  const leave = () => {
    input.setRawMode(false);
  };
  input.setRawMode(true);
  process.once("exit", leave);
  return {
    [Symbol.dispose]() {
      process.off("exit", leave);
      leave();
    },
  };
}

/** The size of our window; undefined where standard output is no terminal. */
export function windowSize(output: NodeJS.WriteStream): { columns: number; rows: number } | undefined {
  const { columns, rows } = output;
  return output.isTTY && columns > 0 && rows > 0
    ? { columns: Math.min(columns, 1000), rows: Math.min(rows, 1000) }
    : undefined;
}

/** Calls `onResize` when the window's size changes, until it is disposed. */
export function onWindowResize(output: NodeJS.WriteStream, onResize: () => void): Disposable {
  output.on("resize", onResize);
  return { [Symbol.dispose]: () => void output.off("resize", onResize) };
}
