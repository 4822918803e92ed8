import { pipeline } from "node:stream/promises";
import { Client, ExecutableNotFoundError } from "hcsd";

try {
  using client = await Client.connect();
  await using running = await client.run(process.argv.slice(2));
  await Promise.all([
    pipeline(running.stdout, process.stdout, { end: false }),
    pipeline(running.stderr, process.stderr, { end: false }),
  ]);
  const { outcome } = await running.wait();
  process.exitCode = outcome.case === "exitCode" ? outcome.value : 255;
} catch (error) {
  if (!(error instanceof ExecutableNotFoundError)) {
    throw error;
  }
  console.error(`${error.reason}: ${error.message}`);
  process.exitCode = 127;
}
