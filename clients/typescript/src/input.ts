/**
 * The stdin of a process, as writes that survive lost connections.
 *
 *     state       event                                next
 *     KNOWN       write() or close()                   ON ITS WAY
 *     ON ITS WAY  the answer                           KNOWN
 *     ON ITS WAY  the daemon is out of reach           ON ITS WAY: after a while, the same write again
 *     ON ITS WAY  the answer that time was up          ON ITS WAY: the rest
 *     ON ITS WAY  aborted, or any other error          UNKNOWN
 *     UNKNOWN     the next write(), which asks first   KNOWN
 *
 * What is known is `offset`, how many bytes the pipe has taken. A repeated write starts at the same
 * offset, and the daemon skips what it has taken already. A write whose call was lost may still be
 * under way at the daemon, which then says that stdin is busy: that is a reason to wait, as being out
 * of reach is.
 *
 * Bytes that the daemon skips of a write that was not repeated were taken for those of another client,
 * and that is an error. Of a repeated write it cannot be told whose they were: clients that share a
 * stdin must agree.
 */

import { Writable } from "node:stream";

import { CallError, DeadlineExceededError, StdinBusyError, UnavailableError } from "./errors.js";
import type { ProcessService, WriteInputResponse } from "./gen/hcsd/v1/process_service_pb.js";
import { Limits } from "./limits.js";
import { Mutex } from "./mutex.js";
import { Pieces } from "./pieces.js";
import { Attempts } from "./retry.js";
import type { Session } from "./session.js";
import { callError } from "./status.js";
import type { CallOptions, Stub } from "./stubs.js";

const WRITE_BYTES = 1024 * 1024; // of one call; a daemon takes up to 4 MiB at once

/**
 * The stdin of a process.
 *
 * A lost connection shows only as a pause, within the bounds of {@link Retry}: every byte reaches the
 * process once and in order. End-of-file is what `close` asks for, and nothing else. Calls made at the
 * same time take effect in their order.
 *
 * Methods throw `StdinClosedError` if the process has closed its stdin or never had one,
 * `StdinBusyError` if another client is writing, `StdinTakenOverError` if one has written in between,
 * `DaemonRestartedError`, `NotFoundError`, `UnavailableError` as `RemoteOutput` does, and what any call
 * throws; see `Client`.
 */
export class RemoteInput {
  readonly #session: Session;
  readonly #processes: Stub<typeof ProcessService>;
  readonly #name: string;
  readonly #turns = new Mutex();
  #offset: bigint | undefined;
  #left = false; // a call of ours ended without an answer, and may go on at the daemon

  /** @internal */
  constructor(
    session: Session,
    processes: Stub<typeof ProcessService>,
    name: string,
    offset: bigint | undefined,
  ) {
    this.#session = session;
    this.#processes = processes;
    this.#name = name;
    this.#offset = offset;
  }

  /**
   * How many bytes the pipe has taken from the start of the process. Undefined while that is not known,
   * as after a write that was aborted; see {@link RemoteInput.committed}.
   */
  get offset(): bigint | undefined {
    return this.#offset;
  }

  /**
   * Write all of the data, text as UTF-8, as fast as the process reads it.
   *
   * Resolves when the pipe has taken it. After an abort, or an error, `committed` tells how much it
   * took. The data must not be changed meanwhile.
   */
  async write(data: Uint8Array | string, options?: CallOptions): Promise<void> {
    const bytes = typeof data === "string" ? new TextEncoder().encode(data) : data;
    const limits = new Limits(options);
    await this.#turns.run(limits, async () => {
      for (let start = 0; start < bytes.length; start += WRITE_BYTES) {
        await this.#write(limits, bytes.subarray(start, start + WRITE_BYTES), false);
      }
    });
  }

  /** Let the process read end-of-file; idempotent, and no error if stdin is closed already. */
  async close(options?: CallOptions): Promise<void> {
    const limits = new Limits(options);
    await this.#turns.run(limits, () => this.#write(limits, new Uint8Array(), true));
  }

  /** Return how many bytes the pipe has taken from the start of the process. */
  async committed(options?: CallOptions): Promise<bigint> {
    const limits = new Limits(options);
    return await this.#turns.run(limits, () => this.#known(limits));
  }

  /**
   * Return it as a stream of Node, for `pipeline` and the like, which is as fast as the process reads.
   * Its end closes stdin. That it is destroyed ends the write under way, and leaves stdin open.
   */
  writable(): Writable {
    const left = new AbortController();
    const { signal } = left;
    return new Writable({
      write: (data: Buffer, _, done) => {
        this.write(data, { signal }).then(() => {
          done();
        }, done);
      },
      final: (done) => {
        this.close({ signal }).then(() => {
          done();
        }, done);
      },
      destroy: (error, done) => {
        left.abort();
        done(error);
      },
    });
  }

  async #known(limits: Limits): Promise<bigint> {
    this.#offset ??= (await this.#call(limits, new Uint8Array(), 0n, false)).committedOffset;
    return this.#offset;
  }

  async #write(limits: Limits, data: Uint8Array, closeStdin: boolean): Promise<void> {
    const offset = await this.#known(limits);
    this.#offset = undefined;
    this.#offset = (await this.#call(limits, data, offset, closeStdin)).committedOffset;
  }

  async #call(
    limits: Limits,
    data: Uint8Array,
    offset: bigint,
    closeStdin: boolean,
  ): Promise<WriteInputResponse> {
    const attempts = new Attempts(this.#session, `writing to stdin of ${this.#name}`);
    const pieces = new Pieces(this.#session);
    const request = { name: this.#name, offset, data, closeStdin };
    for (let repeated = false; ;) {
      try {
        const answer = await pieces.ask(limits, (timeout, options) =>
          this.#processes.writeInput({ ...request, timeout }, options),
        );
        attempts.succeeded();
        this.#left = false;
        if (answer.skippedBytes > 0n && !repeated) {
          throw this.#takenOver(answer.skippedBytes);
        }
        const taken = Math.max(0, Number(answer.committedOffset - request.offset));
        request.data = request.data.subarray(taken);
        if (!answer.timedOut || (request.data.length === 0 && !closeStdin)) {
          return answer;
        }
        request.offset = answer.committedOffset;
        repeated = false;
      } catch (error) {
        if (error instanceof UnavailableError) {
          this.#left = repeated = true;
        } else if (!(error instanceof CallError) || error instanceof DeadlineExceededError) {
          this.#left = true; // ended from here: nobody has answered
          throw error;
        } else if (!(error instanceof StdinBusyError && this.#left)) {
          throw error;
        }
        await attempts.failed(error, limits);
      }
    }
  }

  #takenOver(skipped: bigint): CallError {
    return callError({
      code: "ABORTED",
      reason: "STDIN_TAKEN_OVER",
      message:
        `another client has written to stdin of '${this.#name}': ` +
        `${String(skipped)} bytes of this one were taken for its`,
    });
  }
}
