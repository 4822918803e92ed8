import { Client } from "hcsd";

using client = await Client.connect();
await using running = await client.run(["sh", "-c", "cat; exit 7"], { stdin: true });

await running.stdin.write("hello\n");
await running.stdin.close();
for await (const data of running.stdout) {
  process.stdout.write(data);
}

const { outcome } = await running.wait();
process.exitCode = outcome.case === "exitCode" ? outcome.value : 255;
