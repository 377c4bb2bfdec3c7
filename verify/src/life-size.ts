/** Memory of the sandboxes that are paused, kept and forked, MiB: that of their floors, too. */
export const lifeMemoryMib = 256;
