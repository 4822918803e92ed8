import assert from "node:assert/strict";
import { test, type TestContext } from "node:test";

import type { MessageInitShape } from "@bufbuild/protobuf";
import { durationMs, timestampFromMs } from "@bufbuild/protobuf/wkt";
import * as hcsd from "hcsd";
import {
  type ExecProcessRequest,
  type ExecProcessResponseSchema,
  ExitReason,
  GapPolicy,
  OrphanPolicy,
  OutputStream,
  ProcessState,
  type ReadOutputRequest,
  type ReadOutputResponseSchema,
} from "hcsd/v1";

import { type Handlers, Refusal, TestServer } from "./server.js";

const NAME = "systems/host/processes/p";
const FAST = { firstDelayMs: 1, maxDelayMs: 5 };
const { STDOUT, STDERR } = OutputStream;

type Answer = MessageInitShape<typeof ExecProcessResponseSchema>;
type Message = MessageInitShape<typeof ReadOutputResponseSchema>;

async function connected(t: TestContext, handlers: Handlers): Promise<hcsd.Client> {
  const server = await TestServer.start(t, handlers);
  const client = await hcsd.Client.connect({ ...server.clear, retry: FAST });
  t.after(() => {
    client.close();
  });
  return client;
}

const running = { name: NAME, uid: "u", incarnation: "i", state: ProcessState.RUNNING };

/** An answer with an exit code, or none that can be known. */
function ended(code: number | undefined, reason = ExitReason.EXITED, lost = 0): Answer {
  const [stdout, stderr] = ["out\u00e9", "no such flag\n"].map((text) => {
    const data = new TextEncoder().encode(text);
    return { data, endOffset: BigInt(data.length + lost) };
  });
  const outcome =
    code === undefined
      ? ({ case: "unknown", value: {} } as const)
      : ({ case: "exitCode", value: code } as const);
  return {
    process: { ...running, state: ProcessState.EXITED, exit: { outcome, reason } },
    ...(stdout && { stdout }),
    ...(stderr && { stderr }),
  };
}

/** A client of a server that answers in turn, and what it was asked for. */
async function executing(
  t: TestContext,
  answers: (Answer | Refusal)[],
): Promise<{ client: hcsd.Client; asked: ExecProcessRequest[] }> {
  const asked: ExecProcessRequest[] = [];
  const execProcess = (request: ExecProcessRequest): Answer => {
    asked.push(request);
    const answer = answers.shift() ?? ended(0);
    if (answer instanceof Refusal) {
      throw answer;
    }
    return answer;
  };
  return { client: await connected(t, { execProcess }), asked };
}

test("a command is run to its end in one call", async (t) => {
  const { client, asked } = await executing(t, [ended(3, ExitReason.EXITED, 1)]);
  const options = { input: "in", maxOutputBytes: 9, runTimeoutMs: 60_000, cwd: "/src" };
  const done = await client.exec(["x"], options);
  assert.equal(done.exitCode, 3);
  assert.equal(done.name, NAME);
  assert.equal(done.stdoutText, "out\u00e9");
  assert.equal(done.stderrText, "no such flag\n");
  assert.equal(done.truncated, true);
  assert.throws(() => done.check(), /exited with code 3: no such flag$/);
  const [request] = asked;
  assert.equal(new TextDecoder().decode(request?.stdin), "in");
  assert.equal(request?.maxOutputBytes, 9);
  assert.equal(request.timeout && durationMs(request.timeout), 20_000);
  const { requestId, options: kept, source } = request.create ?? {};
  assert.match(requestId ?? "", /^[0-9a-f-]{36}$/);
  assert.equal(kept?.runTimeout && durationMs(kept.runTimeout), 60_000);
  assert.equal(source?.case === "spec" && source.value.workingDirectory, "/src");
});

test("what is no success is an error if it is checked, and a timeout always", async (t) => {
  const { client } = await executing(t, [
    ended(0),
    ended(1),
    ended(137, ExitReason.RUN_TIMEOUT),
    ended(undefined),
  ]);
  assert.equal((await client.exec(["x"], { check: true })).exitCode, 0);
  await assert.rejects(client.exec(["x"], { check: true }), (error) => {
    assert.ok(error instanceof hcsd.ProcessFailedError);
    assert.ok(!(error instanceof hcsd.ProcessTimeoutError));
    assert.equal(error.completed.exitCode, 1);
    return true;
  });
  await assert.rejects(client.exec(["x"]), hcsd.ProcessTimeoutError);
  const lost = await client.exec(["x"]);
  assert.equal(lost.exitCode, undefined);
  assert.throws(() => lost.check(), hcsd.ProcessFailedError);
});

test("a run is asked for in pieces, and joined after any number of cuts", async (t) => {
  const early: Answer = { process: running, timedOut: true };
  const pieces = Array.from({ length: 10 }, () => [early, Refusal.of("UNKNOWN")]).flat();
  const { client, asked } = await executing(t, [...pieces, ended(7)]);
  assert.equal((await client.exec(["x"])).exitCode, 7);
  assert.equal(asked.length, 21);
  assert.equal(new Set(asked.map(({ create }) => create?.requestId)).size, 1);
});

for (const [how, first] of [
  ["was lost", Refusal.of("UNKNOWN")],
  ["was told that the daemon stops", Refusal.of("UNAVAILABLE", "DAEMON_STOPPING")],
  ["has no result yet", { process: running, timedOut: true }],
] as const) {
  test(`a run that ${how} is not begun again at a daemon that others have met`, async (t) => {
    let now = "i";
    const met = async (): Promise<void> => {
      now = "j";
      await client.create(["true"]).catch(() => undefined); // the client forgets the old run
      await client.create(["true"]);
    };
    const client = await connected(t, {
      getHost: () => ({ incarnation: now }),
      createProcess: (_, call) => {
        refuseOthers(call.metadata.get("hcsd-incarnation")[0]);
        return { process: { ...running, incarnation: now } };
      },
      execProcess: async (_, call) => {
        refuseOthers(call.metadata.get("hcsd-incarnation")[0]);
        if (now === "j") {
          return ended(0);
        }
        await met();
        if (first instanceof Refusal) {
          throw first;
        }
        return first;
      },
    });
    function refuseOthers(incarnation: unknown): void {
      if (incarnation !== now) {
        throw Refusal.of("FAILED_PRECONDITION", "DAEMON_RESTARTED");
      }
    }
    await assert.rejects(client.exec(["x"]), hcsd.DaemonRestartedError);
    assert.equal((await client.exec(["x"])).exitCode, 0);
  });
}

test("a run ends with its signal, and says how long the process outlives it", async (t) => {
  const left = new AbortController();
  const asked: ExecProcessRequest[] = [];
  const client = await connected(t, {
    execProcess: async (request) => {
      asked.push(request);
      left.abort();
      await new Promise(() => undefined);
      return {};
    },
  });
  const options = { signal: left.signal, ownerGraceMs: 1000 };
  await assert.rejects(client.exec(["x"], options), { name: "AbortError" });
  const kept = asked[0]?.create?.options;
  assert.equal(kept?.orphanPolicy, OrphanPolicy.KILL_ON_OWNER_DISCONNECT);
  assert.equal(kept.ownerGrace && durationMs(kept.ownerGrace), 1000);
  await assert.rejects(client.exec(["x"], { maxOutputBytes: -1 }), RangeError);
});

function started(stdout: bigint, stderr: bigint): Message {
  const cursors = [
    { stream: STDOUT, position: { case: "offset", value: stdout } },
    { stream: STDERR, position: { case: "offset", value: stderr } },
  ] as const;
  return { event: { case: "started", value: { process: running, cursors: [...cursors] } } };
}

function chunk(stream: OutputStream, text: string | Uint8Array, ms: number): Message {
  const data = typeof text === "string" ? new TextEncoder().encode(text) : text;
  return { event: { case: "chunk", value: { stream, data, readTime: timestampFromMs(ms) } } };
}

const eof = (stream: OutputStream): Message => ({ event: { case: "eof", value: { stream } } });

async function reading(
  t: TestContext,
  calls: (Message | Refusal)[][],
): Promise<{ process: hcsd.RemoteProcess; asked: ReadOutputRequest[] }> {
  const asked: ReadOutputRequest[] = [];
  const client = await connected(t, {
    getProcess: () => ({ process: running }),
    readOutput: async function* (request) {
      asked.push(request);
      await Promise.resolve();
      for (const message of calls.shift() ?? []) {
        if (message instanceof Refusal) {
          throw message;
        }
        yield message;
      }
    },
  });
  return { process: await client.open(NAME), asked };
}

test("lines of both outputs come in their order, and go on after a lost connection", async (t) => {
  const bad = new Uint8Array([102, 255, 117, 114]);
  const { process, asked } = await reading(t, [
    [
      started(10n, 20n),
      chunk(STDOUT, "one\ntw", 1),
      chunk(STDERR, "err\r\n", 2.5), // told as 2: from 3 on the line would be missed
      Refusal.of("UNKNOWN"),
    ],
    [started(16n, 25n), chunk(STDOUT, "o\n\n", 3), chunk(STDOUT, bad, 4), eof(STDERR), eof(STDOUT)],
  ]);
  const found: unknown[] = [];
  for await (const { stream, text, time } of process.lines({ last: 7, since: new Date(1) })) {
    found.push([stream, text, time?.getTime()]);
  }
  assert.deepEqual(found, [
    ["stdout", "one", 1],
    ["stderr", "err", 2],
    ["stdout", "two", 1],
    ["stdout", "", 3],
    ["stdout", "f\ufffdur", 4],
  ]);
  assert.equal(asked[0]?.lastLines, 7);
  assert.equal(asked[0].timestamps, true);
  assert.deepEqual(asked[0].since, timestampFromMs(1));
  assert.equal(asked[1]?.lastLines, undefined);
  assert.equal(asked[1]?.since, undefined);
  assert.deepEqual(
    asked[1]?.cursors.map(({ position }) => position.value),
    [16n, 25n],
  );
  await assert.rejects(process.lines({ last: -1 }).next(), RangeError);
  await assert.rejects(process.lines({ since: new Date(NaN) }).next(), RangeError);
});

test("all lines are asked for by default, and a long one comes in pieces", async (t) => {
  const part = "x".repeat(1 << 19);
  const { process, asked } = await reading(t, [
    [
      started(0n, 0n),
      chunk(STDOUT, part, 1),
      chunk(STDOUT, part, 1),
      chunk(STDOUT, "y\n", 2),
      { event: { case: "end", value: {} } },
    ],
  ]);
  const sizes: number[] = [];
  for await (const { text } of process.lines()) {
    sizes.push(text.length);
  }
  assert.deepEqual(sizes, [1 << 20, 1]);
  assert.equal(asked[0]?.gapPolicy, GapPolicy.FAIL);
  assert.equal(asked[0].lastLines, undefined);
});

test("lines end with a signal", async (t) => {
  const left = new AbortController();
  const client = await connected(t, {
    getProcess: () => ({ process: running }),
    readOutput: async function* () {
      yield started(0n, 0n);
      yield chunk(STDOUT, "one\n", 1);
      await new Promise(() => undefined);
    },
  });
  const lines = (await client.open(NAME)).lines({ signal: left.signal });
  assert.equal((await lines.next()).value?.text, "one");
  const next = lines.next();
  left.abort();
  await assert.rejects(next, { name: "AbortError" });
});

test("one output has lines, too", async (t) => {
  const { process } = await reading(t, [
    [started(0n, 0n), chunk(STDOUT, "a\r\nb", 1), Refusal.of("UNKNOWN")],
    [started(4n, 0n), chunk(STDOUT, "c\nd", 1), eof(STDOUT)],
  ]);
  const found: string[] = [];
  for await (const line of process.stdout.lines()) {
    found.push(line);
  }
  assert.deepEqual(found, ["a", "bc", "d"]);
});
