/** `npm run test:long`: what takes too long for every change. Before each release, and weekly. */
process.argv.push("long");
await import("./test.ts");
