import { UpError } from "./up-error.ts";

/** Prints an UpError as two lines; anything else is a fault of ours and keeps its stack. */
export async function reported(work: () => Promise<void>): Promise<void> {
  try {
    await work();
  } catch (error) {
    if (!(error instanceof UpError)) throw error;
    console.error(`dnah: ${error.message}\nnext: ${error.nextStep}`);
    process.exitCode = 1;
  }
}
