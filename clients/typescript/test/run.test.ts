import assert from "node:assert/strict";
import { once } from "node:events";
import { Readable, Writable } from "node:stream";
import { pipeline } from "node:stream/promises";
import { test } from "node:test";

import type { MessageInitShape } from "@bufbuild/protobuf";
import { durationMs } from "@bufbuild/protobuf/wkt";
import { Client } from "hcsd";
import {
  type CreateProcessRequest,
  OrphanPolicy,
  OutputStream,
  OverflowPolicy,
  type ProcessSchema,
  ProcessState,
  type RunProcessRequest,
  StdinMode,
} from "hcsd/v1";

import { type Handlers, Refusal, TestServer } from "./server.js";

const NAME = "systems/host/processes/p";
const FAST = { firstDelayMs: 1, maxDelayMs: 5 };
const { BLOCK, DROP_OLDEST } = OverflowPolicy;
const { KILL_ON_OWNER_DISCONNECT, KEEP } = OrphanPolicy;

function processWith(
  more: MessageInitShape<typeof ProcessSchema> = {},
): MessageInitShape<typeof ProcessSchema> {
  return { name: NAME, uid: "u", incarnation: "i", state: ProcessState.RUNNING, ...more };
}

/** A server that creates what it is asked for, and what it was asked for. */
async function creating(
  t: Parameters<typeof TestServer.start>[0],
  more: Handlers = {},
): Promise<{ client: Client; asked: CreateProcessRequest[] }> {
  const asked: CreateProcessRequest[] = [];
  const server = await TestServer.start(t, {
    createProcess: (request) => {
      asked.push(request);
      return { process: processWith(request.options && { options: request.options }) };
    },
    terminateProcess: () => ({}),
    ...more,
  });
  const client = await Client.connect({ ...server.clear, retry: FAST });
  t.after(() => {
    client.close();
  });
  return { client, asked };
}

const never = (): Promise<never> => new Promise(() => undefined);

test("how a process is kept is said by plain options, for commands and documents", async (t) => {
  const { client, asked } = await creating(t);
  const options = {
    ringBytes: 4096,
    overflow: "block",
    stderrToStdout: true,
    discard: ["stderr"],
    runTimeoutMs: 1500,
    drainTimeoutMs: 0,
    pin: true,
  } as const;
  for (const command of [["x"], { parametersJson: "{}" }]) {
    await client.create(command, options);
    const kept = asked.pop()?.options;
    assert.equal(kept?.output?.ringBytes, 4096n);
    assert.equal(kept.output.overflow, BLOCK);
    assert.equal(kept.output.stderrToStdout, true);
    assert.deepEqual(kept.output.discard, [OutputStream.STDERR]);
    assert.equal(kept.runTimeout && durationMs(kept.runTimeout), 1500);
    assert.equal(kept.drainTimeout && durationMs(kept.drainTimeout), 0);
    assert.equal(kept.pin, true);
    await client.create(command);
    assert.equal(asked.pop()?.options, undefined);
  }
});

test("a command takes a folder, variables, a user and a console as plain options", async (t) => {
  const { client, asked } = await creating(t);
  const options = {
    cwd: "/tmp",
    env: { A: "b", C: "" },
    user: "me",
    stdin: true,
    console: { columns: 7, rows: 8 },
  };
  await client.create("x", options);
  const source = asked[0]?.source;
  assert.ok(source?.case === "spec");
  const { workingDirectory, env, user, stdinMode, console } = source.value;
  assert.deepEqual([workingDirectory, user, stdinMode], ["/tmp", "me", StdinMode.PIPE]);
  assert.deepEqual(
    env.map(({ name, value }) => [name, value]),
    [
      ["A", "b"],
      ["C", ""],
    ],
  );
  assert.deepEqual([console?.columns, console?.rows], [7, 8]);
  for (const [name, value] of Object.entries(options)) {
    await assert.rejects(client.create({ parametersJson: "{}" }, { [name]: value }), {
      name: "TypeError",
      message: new RegExp(`'${name}' is not for parametersJson`),
    });
  }
});

const REFUSED = [
  [{ ringBytes: -1 }, "RangeError", /ringBytes is -1/],
  [{ ringBytes: 0.5 }, "RangeError", /ringBytes is 0\.5/],
  [{ runTimeoutMs: NaN }, "RangeError", /runTimeoutMs is NaN/],
  [{ ownerGraceMs: -1 }, "RangeError", /ownerGraceMs is -1/],
  [{ overflow: "drop" as "block" }, "TypeError", /'drop'.*'block' or 'drop-oldest'/],
  [{ discard: ["both" as "stdout"] }, "TypeError", /'both'.*'stdout' or 'stderr'/],
  [{ console: { columns: -1, rows: 1 } }, "TypeError", /columns/],
] as const;

for (const [options, name, message] of REFUSED) {
  test(`${message.source} is refused here`, async (t) => {
    const { client, asked } = await creating(t);
    await assert.rejects(client.run(["x"], options), { name, message });
    assert.equal(asked.length, 0);
  });
}

test("a process that is run waits for its readers and has an owner, unless it is said otherwise", async (t) => {
  const { client, asked } = await creating(t, {
    runProcess: async function* () {
      await Promise.resolve();
      yield { event: { case: "end", value: {} } };
    },
  });
  const command = { case: "commandLine", value: "x" } as const;
  const runs = [
    [["x"], {}, BLOCK, KILL_ON_OWNER_DISCONNECT],
    [{ parametersJson: "{}" }, { ringBytes: 1 }, BLOCK, KILL_ON_OWNER_DISCONNECT],
    [["x"], { overflow: "drop-oldest", ownerGraceMs: null }, DROP_OLDEST, 0],
    [{ command, output: { overflow: DROP_OLDEST }, orphanPolicy: KEEP }, {}, undefined, 0],
  ] as const;
  for (const [given, options, overflow, policy] of runs) {
    await using process = await client.run(given, options);
    assert.equal(process.uid, "u");
    const kept = asked.pop()?.options;
    assert.ok(kept);
    assert.equal(kept.output?.overflow, overflow);
    assert.equal(kept.orphanPolicy, policy);
    const grace = policy === KILL_ON_OWNER_DISCONNECT ? 10_000 : undefined;
    assert.equal(kept.ownerGrace && durationMs(kept.ownerGrace), grace);
  }
});

test("the owner of a process attaches again after a lost connection, until it leaves", async (t) => {
  const attached: RunProcessRequest["request"][] = [];
  let again: (() => void) | undefined;
  let left: (() => void) | undefined;
  const hasReturned = new Promise<void>((resolve) => (again = resolve));
  const hasLeft = new Promise<void>((resolve) => (left = resolve));
  const { client } = await creating(t, {
    runProcess: async function* (_, call) {
      const [{ request }] = (await once(call, "data")) as [RunProcessRequest];
      attached.push(request);
      yield { event: { case: "started", value: { process: processWith() } } };
      if (attached.length === 1) {
        throw Refusal.of("UNAVAILABLE");
      }
      call.once("cancelled", () => left?.());
      again?.();
      await never();
    },
  });
  {
    await using process = await client.run(["x"]);
    assert.equal(process.uid, "u");
    await hasReturned;
  }
  await hasLeft;
  assert.equal(attached.length, 2);
  for (const request of attached) {
    assert.ok(request.case === "attach");
    const { name, owner, withoutOutput } = request.value;
    assert.deepEqual([name, owner, withoutOutput], [NAME, true, true]);
  }
});

test("Node's pipeline writes to stdin, as fast as that is taken, and closes it", async (t) => {
  const taken: Uint8Array[] = [];
  let closed = false;
  let waiting = 0;
  const { client } = await creating(t, {
    writeInput: async ({ offset, data, closeStdin }) => {
      waiting += 1;
      assert.equal(waiting, 1, "one write at a time");
      await new Promise(setImmediate);
      waiting -= 1;
      taken.push(data);
      closed ||= closeStdin;
      return { committedOffset: offset + BigInt(data.length) };
    },
  });
  let read = 0;
  const parts = Array.from({ length: 200 }, (_, number) => Buffer.alloc(4096, number));
  const source = Readable.from(
    (function* () {
      for (const part of parts) {
        read += 1;
        assert.ok(read - taken.length < 40, "the source is held back");
        yield part;
      }
    })(),
  );
  const process = await client.create(["cat"], { stdin: true });
  await pipeline(source, process.stdin.writable());
  assert.deepEqual(Buffer.concat(taken), Buffer.concat(parts));
  assert.equal(closed, true);
});

test("a source that fails ends the write under way and leaves stdin open", async (t) => {
  let begun: (() => void) | undefined;
  const hasBegun = new Promise<void>((resolve) => (begun = resolve));
  let closed = false;
  const { client } = await creating(t, {
    writeInput: async ({ closeStdin }) => {
      closed ||= closeStdin;
      begun?.();
      return await never();
    },
  });
  const process = await client.create(["cat"], { stdin: true });
  const source = async function* (): AsyncGenerator<Buffer> {
    yield Buffer.from("abc");
    await hasBegun;
    throw new Error("no more");
  };
  await assert.rejects(pipeline(source, process.stdin.writable()), /no more/);
  assert.equal(closed, false);
});

test("an output is a stream of Node, and who leaves it ends the call", async (t) => {
  let left: (() => void) | undefined;
  const hasLeft = new Promise<void>((resolve) => (left = resolve));
  let ends = true;
  const { client } = await creating(t, {
    readOutput: async function* (_, call) {
      const chunk = { stream: OutputStream.STDOUT, data: Buffer.from("hello") };
      yield { event: { case: "chunk", value: chunk } };
      if (ends) {
        yield { event: { case: "eof", value: { endOffset: 5n } } };
        return;
      }
      call.once("cancelled", () => left?.());
      await never();
    },
  });
  const process = await client.create(["x"]);
  const parts: Buffer[] = [];
  const sink = new Writable({
    write: (data: Buffer, _, done) => {
      parts.push(data);
      done();
    },
  });
  await pipeline(process.stdout.readable(), sink);
  assert.equal(Buffer.concat(parts).toString(), "hello");
  ends = false;
  const again = process.output(OutputStream.STDOUT).readable();
  for await (const data of again) {
    assert.equal(String(data), "hello");
    break;
  }
  await hasLeft;
});

test("interceptors of the caller see every call, and options of the channel hold", async (t) => {
  const seen: string[] = [];
  const server = await TestServer.start(t, {
    getProcess: () => ({ process: processWith() }),
    readOutput: async function* () {
      await Promise.resolve();
      yield { event: { case: "eof", value: {} } };
    },
  });
  using client = await Client.connect({
    ...server.clear,
    interceptors: [
      (options, next) => {
        seen.push(options.method_definition.path);
        return next(options) as never;
      },
    ],
    channelOptions: { "grpc.primary_user_agent": "mine" },
  });
  await (await client.open(NAME)).stdout.bytes();
  assert.deepEqual(seen, [
    "/hcsd.v1.ProcessService/GetProcess",
    "/hcsd.v1.ProcessService/ReadOutput",
  ]);
});
