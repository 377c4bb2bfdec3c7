/** What is left after that is mended by the loops of the next start. */
export async function drainWithin(drained: Promise<void>, ms: number): Promise<void> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<void>((resolve) => {
    timer = setTimeout(resolve, ms);
  });
  await Promise.race([drained, late]);
  clearTimeout(timer);
}
