import assert from "node:assert/strict";
import { test } from "node:test";

import { create, type DescMessage, type MessageInitShape } from "@bufbuild/protobuf";
import { type Any, anyPack, durationFromMs } from "@bufbuild/protobuf/wkt";
import { Metadata, status } from "@grpc/grpc-js";
import * as hcsd from "hcsd";
import { HcsErrorDetailSchema } from "hcsd/v1";

import {
  BadRequestSchema,
  ErrorInfoSchema,
  ResourceInfoSchema,
  RetryInfoSchema,
} from "../src/gen/google/rpc/error_details_pb.js";
import { StatusSchema } from "../src/gen/google/rpc/status_pb.js";
import { callError, failureOfCall } from "../src/status.js";

function pack<Desc extends DescMessage>(schema: Desc, init: MessageInitShape<Desc>): Any {
  return anyPack(schema, create(schema, init));
}

const REASONS = [
  ["NOT_FOUND", "EXECUTABLE_NOT_FOUND", hcsd.ExecutableNotFoundError],
  ["ALREADY_EXISTS", "REQUEST_ID_REUSED", hcsd.RequestIdReusedError],
  ["FAILED_PRECONDITION", "DAEMON_RESTARTED", hcsd.DaemonRestartedError],
  ["FAILED_PRECONDITION", "STDIN_BUSY", hcsd.StdinBusyError],
  ["FAILED_PRECONDITION", "STDIN_CLOSED", hcsd.StdinClosedError],
  ["OUT_OF_RANGE", "OUTPUT_EVICTED", hcsd.OutputEvictedError],
  ["OUT_OF_RANGE", "REVISION_COMPACTED", hcsd.RevisionCompactedError],
  ["ABORTED", "STDIN_TAKEN_OVER", hcsd.StdinTakenOverError],
  ["ABORTED", "SUBSCRIBER_STALLED", hcsd.SubscriberStalledError],
] as const;

for (const [code, reason, Kind] of REASONS) {
  test(`${reason} has a class of its own, below that of ${code}`, () => {
    const error = callError({ code, reason, message: "no" });
    assert.equal(error.constructor, Kind);
    assert.equal(error.name, Kind.name);
    assert.ok(error instanceof callError({ code, message: "" }).constructor);
    assert.ok(error instanceof hcsd.CallError);
  });
}

test("every code has a class, and a code or reason of the future has the next wider", () => {
  for (const code of Object.keys(status).filter((name) => !/^\d/.test(name))) {
    const error = callError({ code: code as hcsd.StatusCode, message: "no" });
    assert.equal(error.code, code);
    assert.notEqual(error.constructor, hcsd.CallError);
  }
  const later = callError({ code: "NOT_FOUND", reason: "OF_THE_FUTURE", message: "" });
  assert.equal(later.constructor, hcsd.NotFoundError);
  assert.equal(hcsd.errorFromStatus(create(StatusSchema, { code: 99 })).code, "UNKNOWN");
  const prototype = callError({ code: "NOT_FOUND", reason: "constructor", message: "" });
  assert.equal(prototype.constructor, hcsd.NotFoundError);
});

test("all that a status has is in the error", () => {
  const error = hcsd.errorFromStatus(
    create(StatusSchema, {
      code: status.INVALID_ARGUMENT,
      message: "bad",
      details: [
        pack(ErrorInfoSchema, { domain: "example.com", reason: "PROXY" }),
        pack(ErrorInfoSchema, { domain: "hcsd", reason: "BAD", metadata: { hresult: "0x1" } }),
        pack(BadRequestSchema, {
          fieldViolations: [{ field: "parent", reason: "required", description: "is missing" }],
        }),
        pack(ResourceInfoSchema, { resourceType: "t", resourceName: "n", description: "d" }),
        pack(RetryInfoSchema, { retryDelay: durationFromMs(1500) }),
        pack(HcsErrorDetailSchema, { hresult: 0x8037010e, symbol: "HCS_E_SYSTEM_NOT_FOUND" }),
      ],
    }),
  );
  assert.ok(error instanceof hcsd.InvalidRequestError);
  assert.equal(error.message, "bad");
  assert.equal(error.reason, "BAD");
  assert.deepEqual(error.metadata, { hresult: "0x1" });
  assert.deepEqual(error.violations, [
    { field: "parent", rule: "required", message: "is missing" },
  ]);
  assert.deepEqual(error.resource, { type: "t", name: "n", description: "d" });
  assert.equal(error.retryDelayMs, 1500);
  assert.equal(error.hresult, 0x8037010e);
});

test("the HRESULT is also taken from the metadata", () => {
  const metadata = { hresult: "0x80070002" };
  assert.equal(callError({ code: "NOT_FOUND", message: "", metadata }).hresult, 0x80070002);
  assert.equal(callError({ code: "NOT_FOUND", message: "" }).hresult, undefined);
});

test("details that are broken or of another status leave the status", () => {
  const bytes = [Buffer.from([0xff]), Buffer.from([0x08, status.NOT_FOUND])];
  for (const each of bytes) {
    const metadata = new Metadata();
    metadata.set("grpc-status-details-bin", each);
    const reported = { code: status.ABORTED, details: "kept", metadata };
    const failure = failureOfCall(Object.assign(new Error("gRPC"), reported));
    assert.equal(failure.code, "ABORTED");
    assert.equal(failure.message, "kept");
  }
});
