import assert from "node:assert/strict";
import { once } from "node:events";
import { type AddressInfo, createServer, type Socket } from "node:net";
import { test } from "node:test";

import { create } from "@bufbuild/protobuf";
import * as hcsd from "hcsd";
import { Client } from "hcsd";
import {
  OutputStream,
  type ProcessSchema,
  ProcessSpecSchema,
  ProcessState,
  TerminateScope,
} from "hcsd/v1";
import type { MessageInitShape } from "@bufbuild/protobuf";

import { type Handlers, Refusal, TestServer } from "./server.js";

const NAME = "systems/host/processes/p";
const FAST = { firstDelayMs: 1, maxDelayMs: 5 };
const LONG_MS = 3_600_000;

function processWith(
  more: MessageInitShape<typeof ProcessSchema> = {},
): MessageInitShape<typeof ProcessSchema> {
  return { name: NAME, uid: "u", incarnation: "i", state: ProcessState.RUNNING, ...more };
}

const getProcess: Handlers["getProcess"] = () => ({ process: processWith() });

/** A promise, and what settles it. */
function settled(): { promise: Promise<void>; resolve: () => void } {
  let resolve: (() => void) | undefined;
  const promise = new Promise<void>((settle) => {
    resolve = settle;
  });
  return { promise, resolve: () => resolve?.() };
}

test("a daemon that is not there is told at once", async () => {
  using client = await Client.connect({ address: "127.0.0.1:1", retry: { firstDelayMs: LONG_MS } });
  for (const call of [client.open(NAME), client.create(["true"]), client.host.getHost({})]) {
    await assert.rejects(call, (error) => {
      assert.ok(error instanceof hcsd.DaemonUnreachableError);
      assert.match(error.message, /127\.0\.0\.1:1: connect ECONNREFUSED 127\.0\.0\.1:1; start one/);
      return true;
    });
  }
});

test("who listens and says nothing is given up", async (t) => {
  t.mock.timers.enable({ apis: ["setTimeout"] });
  const sockets: Socket[] = [];
  const listener = createServer((socket) => sockets.push(socket)).listen(0, "127.0.0.1");
  await once(listener, "listening");
  t.after(() => {
    listener.close();
    sockets.forEach((socket) => socket.destroy());
  });
  const { port } = listener.address() as AddressInfo;
  using client = await Client.connect({ address: `127.0.0.1:${String(port)}` });
  const opening = client.open(NAME);
  await once(listener, "connection");
  t.mock.timers.tick(10_000);
  await assert.rejects(opening, (error) => {
    assert.ok(error instanceof hcsd.DaemonUnreachableError);
    assert.match(error.message, /does not answer the TLS handshake/);
    return true;
  });
});

test("a call is made again until it is answered, by default and as often as it may", async (t) => {
  let calls = 0;
  const server = await TestServer.start(t, {
    getProcess: () => {
      calls += 1;
      if (calls % 4 !== 0) {
        throw Refusal.of("UNAVAILABLE", "DAEMON_STOPPING");
      }
      return { process: processWith() };
    },
  });
  using client = await Client.connect({ ...server.clear, retry: { ...FAST, attempts: 3 } });
  const process = await client.open(NAME);
  assert.equal(calls, 4);
  await process.get();
  assert.equal(calls, 8);
  using impatient = await Client.connect({
    ...server.clear,
    retry: { attempts: 2, ...FAST },
  });
  await assert.rejects(impatient.open(NAME), hcsd.UnavailableError);
  assert.equal(calls, 11);
});

test("what the daemon says of when to come back holds, and so does a deadline", async (t) => {
  let calls = 0;
  const server = await TestServer.start(t, {
    getProcess: () => {
      calls += 1;
      throw Refusal.of("UNAVAILABLE", "DAEMON_STOPPING", LONG_MS);
    },
  });
  using client = await Client.connect({ ...server.clear, retry: FAST });
  await assert.rejects(client.open(NAME, { timeoutMs: 200 }), hcsd.DeadlineExceededError);
  const signal = AbortSignal.timeout(100);
  await assert.rejects(client.open(NAME, { signal }), { name: "TimeoutError" });
  assert.ok(calls <= 2, "each is made once at the most");
});

test("a signal is sent once", async (t) => {
  let sent = 0;
  const server = await TestServer.start(t, {
    getProcess,
    signalProcess: () => {
      sent += 1;
      throw Refusal.of("UNAVAILABLE");
    },
  });
  using client = await Client.connect({ ...server.clear, retry: FAST });
  const process = await client.open(NAME);
  await assert.rejects(process.signal("TERM"), hcsd.UnavailableError);
  assert.equal(sent, 1);
});

test("a call goes on when a daemon listens again, with the incarnation it is meant for", async (t) => {
  const waiting = settled();
  const incarnations: unknown[] = [];
  const server = await TestServer.start(t, {
    getProcess,
    waitProcess: async (_, call) => {
      incarnations.push(...call.metadata.get("hcsd-incarnation"));
      if (incarnations.length === 1) {
        waiting.resolve();
        await new Promise(() => undefined);
      }
      const exit = { outcome: { case: "exitCode", value: 7 } } as const;
      return { process: processWith({ state: ProcessState.EXITED, exit }) };
    },
  });
  using client = await Client.connect({ ...server.clear });
  const process = await client.open(NAME);
  const exit = process.wait();
  await waiting.promise;
  server.stop();
  await server.start();
  assert.deepEqual((await exit).outcome, { case: "exitCode", value: 7 });
  assert.equal(await process.wait(), await exit, "an exit is asked for once");
  assert.deepEqual(incarnations, ["i", "i"]);
});

test("of a lost process the outcome is asked for again, and another of its name is none", async (t) => {
  const exit = { outcome: { case: "unknown", value: { hresult: 5 } } } as const;
  let state = ProcessState.LOST;
  const server = await TestServer.start(t, {
    getProcess: () => ({ process: processWith({ uid: "u" }) }),
    waitProcess: () => ({
      process: processWith({ state, exit, uid: state === ProcessState.LOST ? "u" : "other" }),
    }),
  });
  using client = await Client.connect({ ...server.clear });
  const process = await client.open(NAME);
  assert.equal((await process.wait()).outcome.case, "unknown");
  state = ProcessState.EXITED;
  await assert.rejects(process.wait(), hcsd.NotFoundError);
});

test("reading goes on at the next byte after a stall and a lost connection", async (t) => {
  const offsets: bigint[] = [];
  const server = await TestServer.start(t, {
    getProcess,
    readOutput: async function* ({ cursors: [cursor] }, call) {
      const offset = cursor?.position.case === "offset" ? cursor.position.value : -1n;
      offsets.push(offset);
      const cursors = [
        { stream: OutputStream.STDOUT, position: { case: "offset", value: offset } },
      ] as const;
      yield {
        event: { case: "started", value: { process: processWith(), cursors: [...cursors] } },
      };
      yield { event: { case: undefined } }; // of a later contract
      await Promise.resolve();
      if (offset < 3n) {
        const data = new Uint8Array([Number(offset)]);
        yield { event: { case: "chunk", value: { stream: OutputStream.STDOUT, offset, data } } };
        if (offset === 0n) {
          throw Refusal.of("ABORTED", "SUBSCRIBER_STALLED");
        }
        if (offset === 1n) {
          throw Refusal.of("UNAVAILABLE");
        }
      }
      if (offset === 2n) {
        call.once("cancelled", () => undefined);
        await new Promise(() => undefined); // until somebody leaves
      }
      yield { event: { case: "eof", value: { endOffset: offset, forced: true } } };
    },
  });
  using client = await Client.connect({ ...server.clear, retry: { ...FAST, attempts: 1 } });
  const { stdout } = await client.open(NAME);
  assert.deepEqual(await stdout.receive(), new Uint8Array([0]));
  assert.deepEqual(await stdout.receive(), new Uint8Array([1]));
  assert.deepEqual(await stdout.receive(), new Uint8Array([2]));
  await assert.rejects(stdout.receive({ timeoutMs: 50 }), hcsd.DeadlineExceededError);
  assert.equal(stdout.offset, 3n);
  assert.equal(await stdout.receive(), undefined);
  assert.equal(stdout.forced, true);
  assert.deepEqual(offsets, [0n, 1n, 2n, 3n]);
});

test("a stall before any byte, and another process of the name, end the reading", async (t) => {
  let uid = "u";
  const server = await TestServer.start(t, {
    getProcess,
    readOutput: async function* () {
      await Promise.resolve();
      yield { event: { case: "started", value: { process: processWith({ uid }), cursors: [{}] } } };
      throw Refusal.of("ABORTED", "SUBSCRIBER_STALLED");
    },
  });
  using client = await Client.connect({ ...server.clear, retry: FAST });
  const { stdout } = await client.open(NAME);
  await assert.rejects(stdout.bytes(), hcsd.SubscriberStalledError);
  uid = "other";
  await assert.rejects(stdout.bytes(), hcsd.NotFoundError);
});

test("a write whose connection was lost is made again, and waits for what it left behind", async (t) => {
  const written: [bigint, string][] = [];
  const answers = [
    () => ({ committedOffset: 10n }),
    () => Promise.reject(Refusal.of("UNAVAILABLE")),
    () => Promise.reject(Refusal.of("FAILED_PRECONDITION", "STDIN_BUSY")),
    () => ({ committedOffset: 13n, skippedBytes: 2n }),
    () => ({ committedOffset: 15n, skippedBytes: 1n }),
    () => ({ committedOffset: 15n }),
    () => Promise.reject(Refusal.of("FAILED_PRECONDITION", "STDIN_BUSY")),
  ];
  const server = await TestServer.start(t, {
    getProcess,
    writeInput: async ({ offset, data }) => {
      written.push([offset, new TextDecoder().decode(data)]);
      const answer = answers.shift();
      assert.ok(answer, "nobody asks so often");
      return await answer();
    },
  });
  using client = await Client.connect({ ...server.clear, retry: FAST });
  const { stdin } = await client.open(NAME);
  const first = stdin.write("abc");
  const second = stdin.write("de");
  await first;
  await assert.rejects(second, hcsd.StdinTakenOverError);
  assert.equal(stdin.offset, undefined);
  assert.equal(await stdin.committed(), 15n);
  await assert.rejects(stdin.write("x"), hcsd.StdinBusyError);
  const expected = [
    [0n, ""],
    [10n, "abc"],
    [10n, "abc"],
    [10n, "abc"],
    [13n, "de"],
    [0n, ""],
    [15n, "x"],
  ];
  assert.deepEqual(written, expected);
});

test("an aborted write gives up its turn, and the next one asks how far stdin has come", async (t) => {
  const waiting = settled();
  const written: bigint[] = [];
  const server = await TestServer.start(t, {
    createProcess: () => ({ process: processWith() }),
    writeInput: async ({ offset, data }) => {
      written.push(offset);
      if (written.length === 1) {
        waiting.resolve();
        await new Promise(() => undefined);
      }
      return { committedOffset: 2n + BigInt(data.length) };
    },
  });
  using client = await Client.connect({ ...server.clear, retry: FAST });
  const { stdin } = await client.create(["cat"], { stdin: true });
  const controller = new AbortController();
  const first = stdin.write("abc", { signal: controller.signal });
  const behind = stdin.write("never", { signal: controller.signal });
  await waiting.promise;
  controller.abort();
  await assert.rejects(first, { name: "AbortError" });
  await assert.rejects(behind, { name: "AbortError" });
  await stdin.write("c");
  assert.deepEqual(written, [0n, 0n, 2n]);
});

test("a closed client tells who waits, and who calls", async (t) => {
  const waiting = settled();
  const server = await TestServer.start(t, {
    getProcess,
    waitProcess: async () => {
      waiting.resolve();
      return await new Promise(() => undefined);
    },
  });
  const client = await Client.connect({ ...server.clear });
  const process = await client.open(NAME);
  const exit = assert.rejects(process.wait(), hcsd.ClientClosedError);
  await waiting.promise;
  client.close();
  client.close();
  await exit;
  await assert.rejects(process.get(), hcsd.ClientClosedError);
  await assert.rejects(client.watchEvents().next(), hcsd.ClientClosedError);
});

test("who leaves a stream while waiting for a message gets the end of it", async (t) => {
  const waiting = settled();
  const left = settled();
  const server = await TestServer.start(t, {
    // eslint-disable-next-line require-yield -- it has nothing to say
    readOutput: async function* (_, call) {
      call.once("cancelled", left.resolve);
      waiting.resolve();
      await left.promise;
    },
  });
  using client = await Client.connect({ ...server.clear });
  const messages = client.processes.readOutput({ name: NAME });
  const next = messages.next();
  await waiting.promise;
  await messages.return();
  assert.deepEqual(await next, { done: true, value: undefined });
  await left.promise;
});

test("a process that is run waits for its readers and is killed at the end of its scope", async (t) => {
  const terminated: [string, TerminateScope][] = [];
  const overflows: unknown[] = [];
  const server = await TestServer.start(t, {
    createProcess: ({ source, options }) => {
      assert.ok(source.case === "spec" && source.value.output === undefined);
      overflows.push(options?.output?.overflow);
      return { process: processWith() };
    },
    terminateProcess: ({ name, scope }) => {
      terminated.push([name, scope]);
      throw Refusal.of("INTERNAL", "E_FAIL");
    },
  });
  using client = await Client.connect({ ...server.clear });
  const spec = create(ProcessSpecSchema, { command: { case: "commandLine", value: "x" } });
  {
    await using process = await client.run(spec);
    assert.equal(process.uid, "u");
    await using other = await client.create(spec);
    assert.equal(other.uid, "u");
  }
  assert.deepEqual(terminated, [[NAME, TerminateScope.TREE_BEST_EFFORT]]);
  assert.deepEqual(overflows, [2, undefined]);
  assert.equal(spec.output, undefined, "the caller's spec is the caller's");
});

test("what ends a process asks for the tree unless the caller says otherwise", async (t) => {
  const { PROCESS, TREE, TREE_BEST_EFFORT, UNSPECIFIED } = TerminateScope;
  const terminated: TerminateScope[] = [];
  const deleted: TerminateScope[] = [];
  const exit = { outcome: { case: "exitCode", value: 7 } } as const;
  const exited = processWith({ state: ProcessState.EXITED, exit });
  const server = await TestServer.start(t, {
    createProcess: () => ({ process: processWith() }),
    waitProcess: () => ({ process: exited }),
    terminateProcess: ({ scope }) => {
      terminated.push(scope);
      return { process: exited, scopeApplied: TREE, descendantsKilled: 3 };
    },
    deleteProcess: ({ scope }) => {
      deleted.push(scope);
      return { scopeApplied: PROCESS };
    },
  });
  using client = await Client.connect({ ...server.clear });
  {
    await using process = await client.run(["x"]);
    const { scopeApplied, descendantsKilled } = await process.terminate();
    assert.deepEqual([scopeApplied, descendantsKilled], [TREE, 3]);
    await process.terminate({ scope: PROCESS });
    await process.delete();
    assert.equal((await process.delete({ force: true })).scopeApplied, PROCESS);
    await process.delete({ force: true, scope: PROCESS });
    await process.wait(); // descendants may outlive the process
  }
  assert.deepEqual(terminated, [TREE_BEST_EFFORT, PROCESS, TREE_BEST_EFFORT]);
  assert.deepEqual(deleted, [UNSPECIFIED, TREE_BEST_EFFORT, PROCESS]);
});

test("what makes no sense is refused here", async (t) => {
  const server = await TestServer.start(t, { getProcess });
  using client = await Client.connect({ ...server.clear });
  const nothing = undefined as unknown as string;
  await assert.rejects(client.create(nothing), TypeError);
  const both = { parametersJson: "{}", user: "me" };
  await assert.rejects(client.create(both), TypeError);
  await assert.rejects(client.open(NAME, { timeoutMs: NaN }), RangeError);
  await assert.rejects(client.processes.getProcess({}, { timeoutMs: -1 }), RangeError);
});
