import assert from "node:assert/strict";
import { once } from "node:events";
import { createServer } from "node:http2";
import type { AddressInfo } from "node:net";
import { test } from "node:test";

import type { MessageInitShape } from "@bufbuild/protobuf";
import { durationMs } from "@bufbuild/protobuf/wkt";
import * as hcsd from "hcsd";
import { Client, type StatusCode } from "hcsd";
import {
  OutputStream,
  type ProcessSchema,
  ProcessState,
  type ReadOutputResponseSchema,
} from "hcsd/v1";

import { type Handlers, Refusal, TestServer } from "./server.js";

const NAME = "systems/host/processes/p";
const FAST = { firstDelayMs: 1, maxDelayMs: 5 };
const ONCE = { ...FAST, attempts: 1 };

function processWith(
  more: MessageInitShape<typeof ProcessSchema> = {},
): MessageInitShape<typeof ProcessSchema> {
  return { name: NAME, uid: "u", incarnation: "i", state: ProcessState.RUNNING, ...more };
}

const EXITED = processWith({
  state: ProcessState.EXITED,
  exit: { outcome: { case: "exitCode", value: 7 } },
});

const getProcess: Handlers["getProcess"] = () => ({ process: processWith() });

const HEARTBEAT: MessageInitShape<typeof ReadOutputResponseSchema> = {
  event: { case: "heartbeat", value: {} },
};

const never = (): Promise<never> => new Promise(() => undefined);

const FAILURES: readonly (readonly [StatusCode, string, typeof hcsd.CallError])[] = [
  ["UNAVAILABLE", "", hcsd.ConnectionLostError],
  ["INTERNAL", "", hcsd.ConnectionLostError],
  ["UNKNOWN", "", hcsd.ConnectionLostError],
  ["CANCELLED", "", hcsd.ConnectionLostError],
  ["UNAVAILABLE", "DAEMON_STOPPING", hcsd.UnavailableError],
  ["INTERNAL", "E_FAIL", hcsd.InternalError],
  ["CANCELLED", "E_ABORT", hcsd.CallCancelledError],
  ["UNIMPLEMENTED", "", hcsd.UnimplementedError],
];

for (const [code, reason, Kind] of FAILURES) {
  test(`${code} with the reason '${reason}' is a ${Kind.name}`, async (t) => {
    const server = await TestServer.start(t, {
      getProcess: () => {
        throw Refusal.of(code, reason);
      },
    });
    using client = await Client.connect({ ...server.clear, retry: { attempts: 0 } });
    await assert.rejects(client.open(NAME), (error) => {
      assert.equal((error as Error).constructor, Kind);
      return true;
    });
  });
}

test("a proxy that answers 502 for ever is a lost connection, after the last attempt", async (t) => {
  let asked = 0;
  const proxy = createServer();
  proxy.on("stream", (stream) => {
    asked += 1;
    stream.respond({ ":status": 502, "content-type": "text/html" });
    stream.end("<h1>Bad gateway</h1>");
  });
  proxy.on("session", (session) => {
    t.after(() => {
      session.destroy();
    });
  });
  proxy.listen(0, "127.0.0.1");
  await once(proxy, "listening");
  t.after(() => proxy.close());
  const { port } = proxy.address() as AddressInfo;
  const lines: string[] = [];
  const logger = { debug: () => undefined, info: (line: string) => lines.push(line) };
  const address = `127.0.0.1:${String(port)}`;
  using client = await Client.connect({
    address,
    insecure: true,
    logger,
    retry: { ...FAST, attempts: 3 },
  });
  await assert.rejects(client.open(NAME), (error) => {
    assert.ok(error instanceof hcsd.ConnectionLostError);
    assert.match(error.message, /502/);
    return true;
  });
  assert.equal(asked, 4);
  assert.equal(lines.length, 4);
  assert.match(lines[0] ?? "", /GetProcess of .*502.*attempt 1 of 3 comes in \d+ ms/);
  assert.match(lines[3] ?? "", /failed for good/);
});

test("a wait is asked for in pieces, and any number of cuts may come between the answers", async (t) => {
  const pieces: number[] = [];
  const server = await TestServer.start(t, {
    getProcess,
    waitProcess: async ({ timeout }) => {
      assert.ok(timeout);
      pieces.push(durationMs(timeout));
      if (pieces.length === 8) {
        return { process: EXITED };
      }
      if (pieces.length % 2 === 1) {
        server.cut();
        await never();
      }
      return { process: processWith(), timedOut: true };
    },
  });
  using client = await Client.connect({ ...server.clear, retry: ONCE });
  const process = await client.open(NAME);
  assert.deepEqual((await process.wait()).outcome, { case: "exitCode", value: 7 });
  const [first, ...later] = pieces;
  assert.equal(first, 20_000);
  assert.equal(later.length, 7);
  for (const piece of later) {
    assert.ok(piece >= 250 && piece < 20_000, String(piece));
  }
});

test("what a write has come to when time is up is where the next one begins", async (t) => {
  const written: [bigint, string, boolean][] = [];
  const answers = [
    { committedOffset: 12n, timedOut: true },
    { committedOffset: 15n, timedOut: true },
    { committedOffset: 15n, closed: true },
  ];
  const server = await TestServer.start(t, {
    createProcess: () => ({ process: processWith() }),
    writeInput: ({ offset, data, closeStdin, timeout }) => {
      assert.equal(timeout && durationMs(timeout), 300);
      written.push([offset, new TextDecoder().decode(data), closeStdin]);
      return written.length === 1 ? { committedOffset: 10n } : (answers.shift() ?? {});
    },
  });
  using client = await Client.connect({ ...server.clear, keepaliveMs: 300 });
  const { stdin } = await client.create(["cat"], { requestId: "r", stdin: true });
  await stdin.write("abcde");
  await stdin.close();
  assert.deepEqual(written, [
    [0n, "", false],
    [10n, "abcde", false],
    [12n, "cde", false],
    [15n, "", true],
  ]);
});

test("a stream that has beaten and falls silent is lost, and goes on over a new connection", async (t) => {
  let calls = 0;
  const server = await TestServer.start(t, {
    getProcess,
    readOutput: async function* ({ heartbeatInterval }) {
      calls += 1;
      assert.equal(heartbeatInterval && durationMs(heartbeatInterval), 100);
      const cursors = [{ stream: OutputStream.STDOUT }];
      yield { event: { case: "started", value: { process: processWith(), cursors } } };
      if (calls === 1) {
        yield HEARTBEAT;
        await never();
      }
      const data = new Uint8Array([7]);
      yield { event: { case: "chunk", value: { stream: OutputStream.STDOUT, data } } };
      yield { event: { case: "eof", value: { endOffset: 1n } } };
    },
  });
  const lines: string[] = [];
  const logger = { debug: () => undefined, info: (line: string) => lines.push(line) };
  using client = await Client.connect({ ...server.clear, retry: ONCE, keepaliveMs: 1, logger });
  const { stdout } = await client.open(NAME);
  assert.deepEqual(await stdout.bytes(), new Uint8Array([7]));
  assert.equal(calls, 2);
  assert.equal(server.connections, 2);
  assert.match(lines[0] ?? "", /reading stdout of .*silent for 1000 ms; attempt 1 of 1/);
  assert.match(lines[1] ?? "", /reading stdout of .* goes on/);
});

test("a daemon that tells of options is known to send heartbeats", async (t) => {
  let calls = 0;
  const server = await TestServer.start(t, {
    getProcess: () => ({ process: processWith({ options: {} }) }),
    readOutput: async function* () {
      calls += 1;
      const cursors = [{ stream: OutputStream.STDOUT }];
      yield { event: { case: "started", value: { process: processWith(), cursors } } };
      if (calls === 1) {
        await never();
      }
      yield { event: { case: "eof", value: { endOffset: 0n } } };
    },
  });
  using client = await Client.connect({ ...server.clear, retry: ONCE, keepaliveMs: 1 });
  const { stdout } = await client.open(NAME);
  assert.equal((await stdout.bytes()).length, 0);
  assert.equal(calls, 2);
});

test("without keepalive nothing is asked for, and a silent daemon is trusted", async (t) => {
  const server = await TestServer.start(t, {
    getProcess,
    readOutput: async function* ({ heartbeatInterval }) {
      assert.equal(heartbeatInterval, undefined);
      await Promise.resolve();
      yield { event: { case: "eof", value: {} } };
    },
  });
  using client = await Client.connect({ ...server.clear, keepaliveMs: 0 });
  assert.equal((await (await client.open(NAME)).stdout.bytes()).length, 0);
  await assert.rejects(Client.connect({ ...server.clear, keepaliveMs: -1 }), RangeError);
});

test("a create that cannot have begun is made again at the daemon that was started anew", async (t) => {
  const incarnations = ["i", "j"];
  const asked: unknown[] = [];
  const server = await TestServer.start(t, {
    getHost: () => ({ incarnation: incarnations.shift() ?? "nobody asks so often" }),
    createProcess: (_, call) => {
      const [incarnation] = call.metadata.get("hcsd-incarnation");
      asked.push(incarnation);
      if (incarnation !== "j") {
        throw Refusal.of("FAILED_PRECONDITION", "DAEMON_RESTARTED");
      }
      return { process: processWith({ incarnation: "j" }) };
    },
  });
  using client = await Client.connect({ ...server.clear, retry: FAST });
  await client.create(["true"]);
  await client.create(["true"]);
  assert.deepEqual(asked, ["i", "j", "j"]);
  const metadata = { "hcsd-incarnation": "i" };
  await assert.rejects(client.create(["true"], { metadata }), hcsd.DaemonRestartedError);
});

test("a create that may have begun is not made again at another run of the daemon", async (t) => {
  const asked: string[] = [];
  const server = await TestServer.start(t, {
    createProcess: async ({ requestId }, call) => {
      asked.push(`${requestId} ${String(call.metadata.get("hcsd-incarnation"))}`);
      if (asked.length === 1) {
        server.cut();
        await never();
      }
      throw Refusal.of("FAILED_PRECONDITION", "DAEMON_RESTARTED");
    },
  });
  using client = await Client.connect({ ...server.clear, retry: FAST });
  await assert.rejects(client.create(["true"]), (error) => {
    assert.ok(error instanceof hcsd.DaemonRestartedError);
    assert.match(error.message, /it may have run the command/);
    return true;
  });
  assert.equal(asked.length, 2);
  assert.equal(asked[0], asked[1]);
  assert.match(asked[0] ?? "", /^[0-9a-f-]{36} i$/);
});
