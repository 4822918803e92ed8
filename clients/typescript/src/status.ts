/** The one place where a gRPC status becomes an error of this package. */

import { fromBinary } from "@bufbuild/protobuf";
import type { GenMessage } from "@bufbuild/protobuf/codegenv2";
import type { Message } from "@bufbuild/protobuf";
import { anyUnpack, durationMs, type Any } from "@bufbuild/protobuf/wkt";
import { status, type ServiceError } from "@grpc/grpc-js";

import * as errors from "./errors.js";
import type { CallError, CallFailure, StatusCode } from "./errors.js";
import {
  BadRequestSchema,
  ErrorInfoSchema,
  ResourceInfoSchema,
  RetryInfoSchema,
} from "./gen/google/rpc/error_details_pb.js";
import { StatusSchema, type Status } from "./gen/google/rpc/status_pb.js";
import { HcsErrorDetailSchema } from "./gen/hcsd/v1/error_pb.js";
import type { Process } from "./gen/hcsd/v1/process_pb.js";

const DOMAIN = "hcsd";
const DETAILS = "grpc-status-details-bin";

type CallErrorClass = new (failure: CallFailure) => CallError;

/** By code, then by reason. The row "" is for all other reasons of its code. */
const CLASSES: Partial<Record<StatusCode, Record<string, CallErrorClass>>> = {
  INVALID_ARGUMENT: { "": errors.InvalidRequestError },
  NOT_FOUND: {
    "": errors.NotFoundError,
    EXECUTABLE_NOT_FOUND: errors.ExecutableNotFoundError,
  },
  ALREADY_EXISTS: {
    "": errors.AlreadyExistsError,
    REQUEST_ID_REUSED: errors.RequestIdReusedError,
  },
  FAILED_PRECONDITION: {
    "": errors.FailedPreconditionError,
    DAEMON_RESTARTED: errors.DaemonRestartedError,
    STDIN_BUSY: errors.StdinBusyError,
    STDIN_CLOSED: errors.StdinClosedError,
  },
  OUT_OF_RANGE: {
    "": errors.OutOfRangeError,
    OUTPUT_EVICTED: errors.OutputEvictedError,
    REVISION_COMPACTED: errors.RevisionCompactedError,
  },
  ABORTED: {
    "": errors.AbortedError,
    STDIN_TAKEN_OVER: errors.StdinTakenOverError,
    SUBSCRIBER_STALLED: errors.SubscriberStalledError,
  },
  PERMISSION_DENIED: { "": errors.PermissionDeniedError },
  UNAUTHENTICATED: { "": errors.UnauthenticatedError },
  RESOURCE_EXHAUSTED: { "": errors.ResourceExhaustedError },
  UNIMPLEMENTED: { "": errors.UnimplementedError },
  UNAVAILABLE: { "": errors.UnavailableError },
  DEADLINE_EXCEEDED: { "": errors.DeadlineExceededError },
  CANCELLED: { "": errors.CallCancelledError },
};

/** Return the error for what is known of a failed call. */
export function callError(failure: CallFailure): CallError {
  const row = new Map(Object.entries(CLASSES[failure.code] ?? {}));
  const found = row.get(failure.reason ?? "") ?? row.get("") ?? errors.InternalError;
  return new found(failure);
}

/** Return the error that a status stands for, such as that of an `OpError`. */
export function errorFromStatus(found: Status): CallError {
  return callError(failureOf(found));
}

/** Return what is known of a call that gRPC reports as failed. */
export function failureOfCall(error: ServiceError): CallFailure {
  const code = codeOf(error.code);
  const detailed = statusDetails(error);
  // Details that contradict the status were made by somebody else: the status holds.
  const known = detailed?.code === error.code ? failureOf(detailed) : { code, message: "" };
  return { ...known, message: error.details, cause: error };
}

/**
 * Refuse what the daemon says of another process, which has got the same name.
 *
 * @throws {@link errors.NotFoundError} It is another one.
 */
export function checkSame(known: Process, found: Process | undefined): void {
  if (found?.uid !== known.uid) {
    throw callError({
      code: "NOT_FOUND",
      reason: "PROCESS_NOT_FOUND",
      message: `process '${known.name}' was deleted; there is another one of its name now`,
    });
  }
}

/** Return a message's required part. */
export function present<Part>(part: Part | undefined, name: string): Part {
  if (part === undefined) {
    const message = `the daemon's answer lacks '${name}'; it breaks the contract hcsd.v1`;
    throw callError({ code: "INTERNAL", message });
  }
  return part;
}

function codeOf(code: number): StatusCode {
  const name = status[code] as StatusCode | undefined;
  return name ?? "UNKNOWN";
}

function statusDetails(error: ServiceError): Status | undefined {
  const [bytes] = error.metadata.get(DETAILS);
  if (!(bytes instanceof Uint8Array)) {
    return undefined;
  }
  try {
    return fromBinary(StatusSchema, bytes);
  } catch {
    return undefined; // the status without its details is an error, too
  }
}

function failureOf({ code, message, details }: Status): CallFailure {
  const info = unpack(details, ErrorInfoSchema, (found) => found.domain === DOMAIN);
  const bad = unpack(details, BadRequestSchema);
  const resource = unpack(details, ResourceInfoSchema);
  const retry = unpack(details, RetryInfoSchema)?.retryDelay;
  return {
    code: codeOf(code),
    message,
    reason: info?.reason ?? "",
    metadata: info?.metadata ?? {},
    violations: (bad?.fieldViolations ?? []).map(({ field, reason, description }) => ({
      field,
      rule: reason,
      message: description,
    })),
    resource: resource && {
      type: resource.resourceType,
      name: resource.resourceName,
      description: resource.description,
    },
    retryDelayMs: retry && durationMs(retry),
    hcs: unpack(details, HcsErrorDetailSchema),
  };
}

function unpack<Detail extends Message>(
  details: readonly Any[],
  schema: GenMessage<Detail>,
  isMeant: (detail: Detail) => boolean = () => true,
): Detail | undefined {
  for (const detail of details) {
    try {
      const found = anyUnpack(detail, schema);
      if (found !== undefined && isMeant(found)) {
        return found;
      }
    } catch {
      continue; // not what its type says
    }
  }
  return undefined;
}
