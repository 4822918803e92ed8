/**
 * Errors of the client.
 *
 *     HcsdError
 *     ├── AddressError                 text that is not an address
 *     ├── TokenFileError               a token that cannot be read, or would be sent in clear
 *     ├── TlsError                     certificates or keys that cannot be used
 *     ├── ClientClosedError            the client was closed, before the call or during it
 *     ├── ProcessFailedError           a process has not ended with 0; `completed` says how
 *     │   └── ProcessTimeoutError          it was killed, since its `runTimeoutMs` were up
 *     └── CallError                    the call failed, by the daemon or on the way to it
 *         ├── InvalidRequestError          `violations` lists every bad field
 *         ├── NotFoundError                `resource` says what
 *         │   └── ExecutableNotFoundError
 *         ├── AlreadyExistsError
 *         │   └── RequestIdReusedError
 *         ├── FailedPreconditionError
 *         │   ├── DaemonRestartedError     the daemon has lost its state, and the process
 *         │   ├── StdinBusyError
 *         │   └── StdinClosedError
 *         ├── OutOfRangeError
 *         │   ├── OutputEvictedError
 *         │   └── RevisionCompactedError
 *         ├── AbortedError
 *         │   ├── StdinTakenOverError
 *         │   └── SubscriberStalledError
 *         ├── PermissionDeniedError
 *         ├── UnauthenticatedError
 *         ├── ResourceExhaustedError
 *         ├── UnimplementedError
 *         ├── DeadlineExceededError
 *         ├── CallCancelledError           cancelled by the other side
 *         ├── InternalError                a fault of the daemon, or of the contract
 *         └── UnavailableError             the daemon is stopping, or HCS is out of reach
 *             ├── DaemonUnreachableError   no daemon answers at the address
 *             └── ConnectionLostError      the connection was lost during the call
 *
 * A call that the caller's own `AbortSignal` ends throws the signal's `reason`, by default a
 * `DOMException` named `AbortError`. Arguments that make no sense are a `TypeError` or `RangeError`.
 */

import type { status } from "@grpc/grpc-js";

import type { Completed } from "./completed.js";
import type { HcsErrorDetail } from "./gen/hcsd/v1/error_pb.js";

/** Name of a gRPC status code, as in `NOT_FOUND`. */
export type StatusCode = keyof typeof status;

/** What is wrong with one field of a request. */
export interface FieldViolation {
  /** Path of the field, as in `spec.argv.args`. */
  readonly field: string;
  /** Id of the rule that is broken, as in `required`; "" if the daemon gave none. */
  readonly rule: string;
  /** What would be right. */
  readonly message: string;
}

/** What an error is about. */
export interface Resource {
  /** Kind of the resource, as in `hcsd.v1.Process`. */
  readonly type: string;
  /** Its resource name. */
  readonly name: string;
  /** More about it; may be empty. */
  readonly description: string;
}

/** What is known of a failed call. */
export interface CallFailure {
  readonly code: StatusCode;
  readonly message: string;
  readonly reason?: string;
  readonly metadata?: Readonly<Record<string, string>>;
  readonly violations?: readonly FieldViolation[];
  readonly resource?: Resource | undefined;
  readonly retryDelayMs?: number | undefined;
  readonly hcs?: HcsErrorDetail | undefined;
  readonly cause?: unknown;
}

/** Root of every error that this package throws on purpose. */
export class HcsdError extends Error {
  constructor(message: string, options?: ErrorOptions) {
    super(message, options);
    this.name = new.target.name;
  }
}

/** A text is not an address of a daemon. */
export class AddressError extends HcsdError {
  /** The text. */
  readonly text: string;

  constructor(text: string, problem: string, remedy: string) {
    super(`'${text}' is not an address of a daemon: ${problem}; ${remedy}`);
    this.text = text;
  }
}

/** The token cannot be read from its file, or would be sent in clear. */
export class TokenFileError extends HcsdError {}

/** A certificate or key cannot be read or used, or is named for clear text. */
export class TlsError extends HcsdError {}

/** The client was closed by its owner, before the call or during it. */
export class ClientClosedError extends HcsdError {}

/** A process has not ended with 0. */
export class ProcessFailedError extends HcsdError {
  /** How it ended, and what it wrote. */
  readonly completed: Completed;

  constructor(message: string, completed: Completed) {
    super(message);
    this.completed = completed;
  }
}

/** A process was killed with its descendants, since its `runTimeoutMs` were up. */
export class ProcessTimeoutError extends ProcessFailedError {}

/** A call failed, as the daemon says or on the way to it. */
export class CallError extends HcsdError {
  /** gRPC status code. */
  readonly code: StatusCode;
  /**
   * Machine-readable reason: the symbol of an HRESULT, or the daemon's own, as in `STDIN_BUSY`; "" if
   * the daemon did not answer.
   */
  readonly reason: string;
  /** Further machine-readable facts, by name. */
  readonly metadata: Readonly<Record<string, string>>;
  /** Every bad field of the request. */
  readonly violations: readonly FieldViolation[];
  /** What was not found, if the daemon says so. */
  readonly resource: Resource | undefined;
  /** Milliseconds after which a retry is safe; undefined if the daemon promises nothing. */
  readonly retryDelayMs: number | undefined;
  /** What HCS itself said, if it was asked. */
  readonly hcs: HcsErrorDetail | undefined;

  constructor(failure: CallFailure) {
    super(failure.message || `the call ended with ${failure.code}`, { cause: failure.cause });
    this.code = failure.code;
    this.reason = failure.reason ?? "";
    this.metadata = failure.metadata ?? {};
    this.violations = failure.violations ?? [];
    this.resource = failure.resource;
    this.retryDelayMs = failure.retryDelayMs;
    this.hcs = failure.hcs;
  }

  /** The HRESULT, unsigned; undefined if the failure is not one of HCS. */
  get hresult(): number | undefined {
    if (this.hcs !== undefined) {
      return this.hcs.hresult;
    }
    const text = this.metadata["hresult"];
    return text ? Number.parseInt(text, 16) : undefined;
  }
}

/** The request breaks rules of the contract; `violations` lists all of them. */
export class InvalidRequestError extends CallError {}

/** The process, system or program does not exist. */
export class NotFoundError extends CallError {}

/** There is no such program. */
export class ExecutableNotFoundError extends NotFoundError {}

/** The id is taken. */
export class AlreadyExistsError extends CallError {}

/** The request id was used for another request. */
export class RequestIdReusedError extends AlreadyExistsError {}

/** The process or system is not in a state for this. */
export class FailedPreconditionError extends CallError {}

/**
 * The daemon was started anew without its state, and the process ended with its earlier run. How it ended,
 * and output that was not read before, cannot be known any more. From a create: the command may have run
 * there.
 */
export class DaemonRestartedError extends FailedPreconditionError {}

/** Somebody else is writing to stdin. */
export class StdinBusyError extends FailedPreconditionError {}

/** Stdin was closed, or the process never had one. */
export class StdinClosedError extends FailedPreconditionError {}

/** An offset lies past the end. */
export class OutOfRangeError extends CallError {}

/** The output asked for is no longer kept. */
export class OutputEvictedError extends OutOfRangeError {}

/** Events after the revision asked for are no longer kept. */
export class RevisionCompactedError extends OutOfRangeError {}

/** The daemon ended the call on behalf of somebody else. */
export class AbortedError extends CallError {}

/** Another writer of stdin took over. */
export class StdinTakenOverError extends AbortedError {}

/** The reader made no progress for too long and held up the process. */
export class SubscriberStalledError extends AbortedError {}

/** The daemon, or the account it runs as, may not do this. */
export class PermissionDeniedError extends CallError {}

/** The daemon wants a token, or another one. */
export class UnauthenticatedError extends CallError {}

/** A limit is reached. */
export class ResourceExhaustedError extends CallError {}

/** This daemon, engine or guest has no such feature. */
export class UnimplementedError extends CallError {}

/** The deadline of the call, or HCS's own, was up; the effect may still happen. */
export class DeadlineExceededError extends CallError {}

/** The other side cancelled the call. */
export class CallCancelledError extends CallError {}

/** A fault of the daemon, or an answer that is against the contract. */
export class InternalError extends CallError {}

/** The daemon is stopping, HCS is out of reach, or no daemon could be reached. */
export class UnavailableError extends CallError {}

/** No daemon answers at the address. */
export class DaemonUnreachableError extends UnavailableError {}

/** The connection was lost during the call, by the daemon or by what is between. */
export class ConnectionLostError extends UnavailableError {}
