/** By name, the size in bytes of each file that a start fetches; the build writes files.js. */
export const FILES: Record<string, number>;
