/** The options of the client's own methods. */

import type { ChannelOptions, Interceptor } from "@grpc/grpc-js";

import type { Address } from "./address.js";
import type { ProofOptions } from "./credentials.js";
import type { ProcessState } from "./gen/hcsd/v1/process_pb.js";
import type { TerminateScope } from "./gen/hcsd/v1/process_service_pb.js";
import type { Logger, Retry } from "./session.js";
import type { CallOptions } from "./stubs.js";

/** How to reach a daemon. */
export interface ConnectOptions extends ProofOptions {
  /** Where it listens. Default: see `Address.default`. */
  readonly address?: Address | string | undefined;
  /** How the client goes on after a lost connection. */
  readonly retry?: Partial<Retry> | undefined;
  /**
   * Milliseconds of silence after which the client asks whether the daemon is still there. Default: 20 s;
   * 0 is never. A TCP connection is asked by an HTTP/2 ping, at most every 5 s, and is lost if there is no
   * answer within 10 s. On the library's own streams, those of a Unix socket too, the daemon says that it
   * is there after such a silence, and after twice that (but no less than 1 s) the stream is lost.
   */
  readonly keepaliveMs?: number | undefined;
  /** Is told of retries. Default: nobody. */
  readonly logger?: Logger | undefined;
  /** Interceptors of grpc-js for every call, the outermost first; also for those that trace calls. */
  readonly interceptors?: readonly Interceptor[] | undefined;
  /** Further options of the channel of grpc-js; they hold before those that the client sets itself. */
  readonly channelOptions?: ChannelOptions | undefined;
}

/** How a process is kept: for a command and for a document alike. */
export interface KeepOptions {
  /** Bytes that the daemon keeps of each output. Default: 1 MiB. */
  readonly ringBytes?: number | bigint | undefined;
  /**
   * What happens when that many are kept: "block" makes the process wait for its readers, "drop-oldest"
   * lets the oldest bytes go. Default: "block" for `run`, "drop-oldest" for `create`.
   */
  readonly overflow?: "block" | "drop-oldest" | undefined;
  /** Join stderr to stdout, as `2>&1` does. */
  readonly stderrToStdout?: boolean | undefined;
  /** Outputs that nobody will read; they are closed from the start. */
  readonly discard?: readonly ("stdout" | "stderr")[] | undefined;
  /** Milliseconds after which the process is killed with its descendants. Default: never. */
  readonly runTimeoutMs?: number | undefined;
  /** Milliseconds to wait, after the exit, for a pipe that a descendant keeps open. Default: 5 s. */
  readonly drainTimeoutMs?: number | undefined;
  /** Keep the exited process until it is deleted. */
  readonly pin?: boolean | undefined;
}

/** How to create a process. */
export interface CreateOptions extends CallOptions, KeepOptions {
  /** Name of the system to run in. Default: `HOST_SYSTEM`. */
  readonly parent?: string | undefined;
  /** Give it a stdin to write to. Not for a document, which says so itself. */
  readonly stdin?: boolean | undefined;
  /** Its working directory, an absolute path. Default: the system's. Not for a document. */
  readonly cwd?: string | undefined;
  /** Variables beside those of the system, or in their place. Not for a document. */
  readonly env?: Readonly<Record<string, string>> | undefined;
  /** The account to run as. Default: the system's. Not for a document. */
  readonly user?: string | undefined;
  /** Give it a console of so many character cells. Not for a document. */
  readonly console?: { readonly columns: number; readonly rows: number } | undefined;
  /** Last part of its name. Default: issued by the daemon. */
  readonly processId?: string | undefined;
  /** Labels to store with it. */
  readonly labels?: Readonly<Record<string, string>> | undefined;
  /**
   * UUID that makes the call safe to repeat. Default: a new one, so that a call whose connection is lost
   * is repeated and starts one process.
   */
  readonly requestId?: string | undefined;
}

/** How to run a process that is for one scope alone. */
export interface RunOptions extends Omit<CreateOptions, "requestId"> {
  /**
   * Milliseconds that the process and its descendants live on after this program has gone, or cannot be
   * reached. Default: 10 s. `null`: they are not killed then.
   */
  readonly ownerGraceMs?: number | null | undefined;
}

/** How to run a command to its end. */
export interface ExecOptions extends Omit<CreateOptions, "stdin"> {
  /** What it reads from stdin before end of file; text as UTF-8. A document must have CreateStdInPipe for it. */
  readonly input?: Uint8Array | string | undefined;
  /** Whether an exit code other than 0 is a `ProcessFailedError`. */
  readonly check?: boolean | undefined;
  /** How many bytes of each output to return, the last ones. Default, and at most: 1 MiB. */
  readonly maxOutputBytes?: number | undefined;
  /** As in {@link RunOptions}: how long the process lives on when the call has ended before it. */
  readonly ownerGraceMs?: number | null | undefined;
}

/** Which processes to list. */
export interface ListOptions extends CallOptions {
  /** Name of a system. Default: `ALL_SYSTEMS`. */
  readonly parent?: string | undefined;
  /** Only processes in one of these. */
  readonly states?: readonly ProcessState[] | undefined;
  /** Only processes with all of these. */
  readonly labels?: Readonly<Record<string, string>> | undefined;
  /** How many to ask for at once. Default: the daemon's. */
  readonly pageSize?: number | undefined;
}

/** Which events to watch. */
export interface WatchOptions extends CallOptions {
  /** Name of a system. Default: `ALL_SYSTEMS`. */
  readonly parent?: string | undefined;
  /**
   * Where to begin; 0 without an incarnation is with all that is kept. Default: with what happens from
   * now on.
   */
  readonly afterRevision?: bigint | undefined;
  /** What `afterRevision` belongs to. */
  readonly incarnation?: string | undefined;
  /** Begin with what there is now. */
  readonly snapshot?: boolean | undefined;
}

/** How to terminate a process. */
export interface TerminateOptions extends CallOptions {
  /** Milliseconds it gets after a TERM signal before it is killed. Default: none. */
  readonly gracePeriodMs?: number | undefined;
  /**
   * What to kill. Default: `TerminateScope.TREE_BEST_EFFORT`, the tree, or the process alone where the
   * engine cannot tell what descends from it. `TREE` fails there instead; `PROCESS` leaves the
   * descendants alone.
   */
  readonly scope?: TerminateScope | undefined;
}

/** How to delete a process. */
export interface DeleteOptions extends CallOptions {
  /** Kill it first if it is running. */
  readonly force?: boolean | undefined;
  /** What `force` kills. Default: as in {@link TerminateOptions}. */
  readonly scope?: TerminateScope | undefined;
}
