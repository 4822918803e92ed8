import assert from "node:assert/strict";
import { test } from "node:test";

import type { MessageInitShape } from "@bufbuild/protobuf";
import * as hcsd from "hcsd";
import { Client } from "hcsd";
import type { WatchEventsRequest, WatchEventsResponse, WatchEventsResponseSchema } from "hcsd/v1";

import { type Handlers, Refusal, TestServer } from "./server.js";

const RETRY = { firstDelayMs: 1, maxDelayMs: 5, attempts: 1 };

type Message = MessageInitShape<typeof WatchEventsResponseSchema>;

function event(revision: bigint): Message {
  return { item: { case: "event", value: { revision, incarnation: "i" } } };
}

function bookmark(revision: bigint): Message {
  return { item: { case: "bookmark", value: { revision, incarnation: "i" } } };
}

function snapshot(revision: bigint, complete: boolean): Message {
  return { item: { case: "snapshot", value: { revision, complete, incarnation: "i" } } };
}

const LOST = Refusal.of("UNAVAILABLE");

/** What each call gives; an error ends it. */
type Script = (Message | Error)[][];

function told({ item }: WatchEventsResponse): string {
  return item.case === undefined ? "?" : `${item.case} ${String(item.value.revision)}`;
}

function asked({ afterRevision, incarnation, sendSnapshot }: WatchEventsRequest): string {
  return `${String(afterRevision)} ${incarnation} ${String(sendSnapshot)}`;
}

/** Answer call after call by a script, and note what each has asked for. */
function play(script: Script, requests: string[]): NonNullable<Handlers["watchEvents"]> {
  return async function* (request) {
    requests.push(asked(request));
    await Promise.resolve();
    for (const message of script.shift() ?? []) {
      if (message instanceof Error) {
        throw message;
      }
      yield message;
    }
  };
}

test("events go on after lost connections, each once", async (t) => {
  const requests: string[] = [];
  const script: Script = [
    [bookmark(3n), event(4n), LOST],
    [bookmark(4n), bookmark(4n), event(5n), bookmark(6n), bookmark(6n), LOST],
    [event(6n), event(7n), Refusal.of("OUT_OF_RANGE", "REVISION_COMPACTED")],
  ];
  const server = await TestServer.start(t, { watchEvents: play(script, requests) });
  using client = await Client.connect({ ...server.clear, retry: RETRY });
  const found: string[] = [];
  const reading = async (): Promise<void> => {
    for await (const message of client.watchEvents()) {
      found.push(told(message));
    }
  };
  await assert.rejects(reading(), hcsd.RevisionCompactedError);
  assert.deepEqual(found, ["bookmark 3", "event 4", "event 5", "bookmark 6", "event 7"]);
  assert.deepEqual(requests, ["undefined  false", "4 i false", "6 i false"]);
});

test("a snapshot begins anew if it broke, and where nothing can follow", async (t) => {
  const requests: string[] = [];
  const script: Script = [
    [snapshot(3n, false), LOST],
    [snapshot(5n, false), snapshot(5n, true), LOST],
    [event(6n), Refusal.of("ABORTED", "SUBSCRIBER_STALLED")],
    [snapshot(9n, true), Refusal.of("OUT_OF_RANGE", "REVISION_COMPACTED")],
    [Refusal.of("OUT_OF_RANGE", "REVISION_COMPACTED")],
  ];
  const server = await TestServer.start(t, { watchEvents: play(script, requests) });
  using client = await Client.connect({ ...server.clear, retry: RETRY });
  await using watch = client.watchEvents({ snapshot: true });
  const found: string[] = [];
  for (let count = 0; count < 5; count += 1) {
    const { value } = await watch.next();
    assert.ok(value);
    found.push(told(value));
  }
  await assert.rejects(watch.next(), hcsd.RevisionCompactedError);
  assert.deepEqual(found, ["snapshot 3", "snapshot 5", "snapshot 5", "event 6", "snapshot 9"]);
  assert.deepEqual(requests, [
    "undefined  true",
    "undefined  true",
    "5 i false",
    "undefined  true",
    "undefined  true",
  ]);
  assert.deepEqual(await watch.next(), { done: true, value: undefined });
});

test("who leaves a watch ends who waits for its next message", async (t) => {
  const server = await TestServer.start(t, {
    watchEvents: async function* () {
      yield bookmark(1n);
      await new Promise(() => undefined);
    },
  });
  using client = await Client.connect({ ...server.clear });
  const watch = client.watchEvents();
  assert.equal((await watch.next()).done, false);
  const next = watch.next();
  await watch.return();
  assert.deepEqual(await next, { done: true, value: undefined });
});
