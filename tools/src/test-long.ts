/** `npm run test:long`: what takes too long for every change. Before each release, and weekly. */
process.env.DNAH_TEST_FUZZ_ROUNDS ??= "1000000";
process.argv.push("rust", "long");
await import("./test.ts");
