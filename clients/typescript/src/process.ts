/** A process as an object that outlives its connections. */

import type { Duration } from "@bufbuild/protobuf/wkt";

import { Completed } from "./completed.js";
import { StdinClosedError } from "./errors.js";
import {
  OutputStream,
  type Process,
  type ProcessExit,
  ProcessState,
  type SignalDelivery,
} from "./gen/hcsd/v1/process_pb.js";
import {
  type DeleteProcessResponse,
  type ProcessService,
  type TerminateProcessResponse,
  TerminateScope,
} from "./gen/hcsd/v1/process_service_pb.js";
import { RemoteInput } from "./input.js";
import { Limits } from "./limits.js";
import { type Line, LinesOfAll, type LinesOptions } from "./lines.js";
import type { DeleteOptions, TerminateOptions } from "./options.js";
import { type OutputOptions, RemoteOutput } from "./output.js";
import { inPieces } from "./pieces.js";
import { ReadCalls } from "./read-calls.js";
import { makeDuration, makeSignal, type Signal } from "./requests.js";
import { retrying, sentOnce } from "./retry.js";
import type { Session } from "./session.js";
import { checkSame, present } from "./status.js";
import type { CallOptions, Stub } from "./stubs.js";

/**
 * A process of the daemon, as `Client.create` and `Client.open` return it.
 *
 * It is not bound to a connection: what it reads, writes and waits for goes on where it stopped when the
 * daemon is reached again, within the bounds of {@link Retry}, and without the caller noticing. Only
 * `signal` is never sent twice. All that is asked for is meant for this process alone: if the daemon was
 * started anew without its state, which ends its processes, every method throws `DaemonRestartedError`. And
 * if the process was deleted and another one got its name, what is read or waited for throws
 * `NotFoundError`.
 *
 * What is written, sent or asked to end goes by the name, so with a `processId` that is used again after
 * a deletion by somebody else it would reach the later process. Ids that the daemon issues, which is
 * what it does by default, are never used again.
 *
 * With `await using` it gives up its streams at the end; the process goes on.
 *
 * Methods throw `DaemonRestartedError`; `NotFoundError`, the process was deleted; `UnavailableError`,
 * the daemon was out of reach for too long; and what any call throws, see `Client`.
 */
export class RemoteProcess implements AsyncDisposable {
  /** Its resource name. */
  readonly name: string;
  /** Its process id in the guest. */
  readonly pid: number;
  /** Id that the daemon never issues twice. */
  readonly uid: string;
  /** The process as it was when this object was made. */
  readonly created: Process;
  /** Its stdin. */
  readonly stdin: RemoteInput;
  /** Its stdout from the first byte on; with a console, all output. */
  readonly stdout: RemoteOutput;
  /** Its stderr from the first byte on. */
  readonly stderr: RemoteOutput;

  readonly #session: Session;
  readonly #processes: Stub<typeof ProcessService>;
  readonly #outputs = new Set<RemoteOutput | ReadCalls>();
  #exit: ProcessExit | undefined;

  /** @internal */
  constructor(
    session: Session,
    processes: Stub<typeof ProcessService>,
    process: Process,
    stdinOffset: bigint | undefined,
  ) {
    this.#session = session;
    session.beats ||= process.options !== undefined;
    this.name = process.name;
    this.pid = process.pid;
    this.uid = process.uid;
    this.created = process;
    this.#processes = processes;
    this.stdin = new RemoteInput(session, processes, this.name, stdinOffset);
    this.stdout = this.output(OutputStream.STDOUT);
    this.stderr = this.output(OutputStream.STDERR);
  }

  /** Read an output once more, or from another place; any number may read at a time. */
  output(stream: OutputStream, options?: OutputOptions): RemoteOutput {
    const output = new RemoteOutput(this.#session, this.#processes, this.created, stream, options);
    this.#outputs.add(output);
    return output;
  }

  /**
   * Iterate over the lines of both outputs as text, in the order in which they were written, until both have
   * ended. It is a reader of its own; a process of `Client.run` waits for it. A line over 1 MiB comes in
   * pieces.
   *
   * Iterating throws as reading a {@link RemoteOutput} does; with `last` or `since`, what was not read in time
   * is left out instead of an `OutputEvictedError`.
   *
   * @throws RangeError `last` is no number of lines, or `since` no time.
   */
  async *lines(options: LinesOptions = {}): AsyncGenerator<Line, undefined> {
    const lines = new LinesOfAll(this.name, options);
    const request = lines.request.bind(lines);
    const calls = new ReadCalls(this.#session, this.#processes, this.created, "lines", request);
    this.#outputs.add(calls);
    try {
      yield* lines.from(calls, new Limits(options));
    } finally {
      this.#outputs.delete(calls);
    }
  }

  /** Return the process as it is now. */
  async get(options?: CallOptions): Promise<Process> {
    const answer = await this.#repeat("GetProcess", options, (call) =>
      this.#processes.getProcess({ name: this.name }, call),
    );
    return this.#checked(answer.process);
  }

  /**
   * Wait for the exit, which waits for no output, and return how the process ended.
   *
   * Of a process that HCS has lost the outcome is `unknown`, until it is found again. A deadline or
   * signal ends the wait and leaves the process alone.
   */
  async wait(options?: CallOptions): Promise<ProcessExit> {
    if (this.#exit !== undefined) {
      return this.#exit;
    }
    const answer = await this.#inPieces("WaitProcess", options, (timeout, call) =>
      this.#processes.waitProcess({ name: this.name, timeout }, call),
    );
    const process = this.#checked(answer.process);
    const exit = present(process.exit, "process.exit");
    if (process.state === ProcessState.EXITED) {
      this.#exit = exit; // not if it is LOST, which may be found again
    }
    return exit;
  }

  /**
   * Send a signal; that the process has exited is no error, but in the answer.
   *
   * It is sent at most once: if the connection is lost, it may have been delivered. While the daemon is
   * away it is not sent, and waits.
   */
  async signal(signal: Signal, options?: CallOptions): Promise<SignalDelivery> {
    const request = { name: this.name, signal: makeSignal(signal) };
    const what = `SignalProcess of ${this.name}`;
    const answer = await sentOnce(this.#session, what, new Limits(options), (call) =>
      this.#processes.signalProcess(request, call),
    );
    return answer.delivery;
  }

  /**
   * Kill the process and its descendants, and wait until the process has exited.
   *
   * That it has exited before is no error: then what is left of its descendants is killed. `scopeApplied`
   * of the answer says what the kill reached, and `descendantsKilled` how many descendants that were. A
   * deadline or signal ends the wait only: the kill comes all the same.
   *
   * @throws `UnimplementedError` The scope is `TREE`, and the engine cannot kill that.
   */
  async terminate(options: TerminateOptions = {}): Promise<TerminateProcessResponse> {
    const { scope = TerminateScope.TREE_BEST_EFFORT, gracePeriodMs } = options;
    const gracePeriod =
      gracePeriodMs === undefined ? undefined : makeDuration("gracePeriodMs", gracePeriodMs);
    return await this.#inPieces("TerminateProcess", options, (timeout, call) =>
      this.#processes.terminateProcess(
        { name: this.name, scope, timeout, ...(gracePeriod && { gracePeriod }) },
        call,
      ),
    );
  }

  /**
   * Change the size of the console, in character cells.
   *
   * @throws `FailedPreconditionError` The process has no console, or has exited.
   */
  async resize(columns: number, rows: number, options?: CallOptions): Promise<void> {
    await this.#repeat("ModifyProcess", options, (call) =>
      this.#processes.modifyProcess(
        {
          name: this.name,
          modification: { case: "consoleSize", value: { columns, rows } },
        },
        call,
      ),
    );
  }

  /**
   * Make the daemon forget the process, with its exit and output; idempotent. The answer says what the
   * kill reached, as that of `terminate`.
   *
   * @throws `FailedPreconditionError` It is running.
   * @throws `UnimplementedError` As in `terminate`.
   */
  async delete(options: DeleteOptions = {}): Promise<DeleteProcessResponse> {
    const { force = false, scope = TerminateScope.TREE_BEST_EFFORT } = options;
    const request = { name: this.name, force, allowMissing: true, ...(force && { scope }) };
    return await this.#repeat("DeleteProcess", options, (call) =>
      this.#processes.deleteProcess(request, call),
    );
  }

  /**
   * Write to stdin, close it, read both outputs to their ends, and wait for the exit.
   *
   * That the process does not read all of the input is no error.
   */
  async communicate(
    input: Uint8Array | string = "",
    options: CallOptions = {},
  ): Promise<Completed> {
    const failed = new AbortController(); // ends the others when one has failed
    const limits = new Limits(options);
    const each = { signal: failed.signal };
    const work = Promise.all([
      this.stdout.bytes(each),
      this.stderr.bytes(each),
      this.#feed(input, each),
      this.wait(each),
    ]);
    try {
      const [stdout, stderr, , exit] = await limits.race(work);
      return new Completed(this.name, exit, stdout, stderr);
    } catch (error) {
      failed.abort();
      throw error;
    }
  }

  /** Give up the streams; idempotent. Reading again goes on where it stopped. */
  close(): void {
    for (const output of this.#outputs) {
      output.close();
    }
  }

  [Symbol.asyncDispose](): Promise<void> {
    this.close();
    return Promise.resolve();
  }

  async #feed(input: Uint8Array | string, options: CallOptions): Promise<void> {
    try {
      await this.stdin.write(input, options);
    } catch (error) {
      if (!(error instanceof StdinClosedError)) {
        throw error;
      }
    }
    await this.stdin.close(options);
  }

  async #repeat<Result>(
    method: string,
    options: CallOptions | undefined,
    call: (options: CallOptions) => Promise<Result>,
  ): Promise<Result> {
    const what = `${method} of ${this.name}`;
    return await retrying(this.#session, what, new Limits(options), call);
  }

  async #inPieces<Answer extends { readonly timedOut: boolean }>(
    method: string,
    options: CallOptions | undefined,
    call: (timeout: Duration, options: CallOptions) => Promise<Answer>,
  ): Promise<Answer> {
    const what = `${method} of ${this.name}`;
    return await inPieces(this.#session, what, new Limits(options), call);
  }

  #checked(process: Process | undefined): Process {
    checkSame(this.created, process);
    return present(process, "process");
  }
}
