/**
 * Owning a process: a call of its own says that this program is there.
 *
 *     state    event                              next
 *     OWNING   the connection is lost             OWNING again, after a while
 *     OWNING   leave(), the end of the process    OVER
 *     OWNING   any other error                    OVER, which the log tells
 *
 * If the program goes, its connection does, and the daemon kills the process some time later. It is not
 * given up while the daemon is out of reach: only the daemon knows when that time is over.
 */

import type { MessageInitShape } from "@bufbuild/protobuf";

import { UnavailableError } from "./errors.js";
import type { Process } from "./gen/hcsd/v1/process_pb.js";
import type { ProcessService, RunProcessResponse } from "./gen/hcsd/v1/process_service_pb.js";
import { Limits } from "./limits.js";
import { LiveStream } from "./live.js";
import { Attempts } from "./retry.js";
import type { Session } from "./session.js";
import { checkSame } from "./status.js";
import type { Stub } from "./stubs.js";

type Request = MessageInitShape<typeof ProcessService.method.runProcess.input>;

/** See the module. It begins at once. */
export class Ownership {
  readonly #left = new AbortController();
  readonly #over: Promise<void>;

  constructor(
    private readonly session: Session,
    private readonly processes: Stub<typeof ProcessService>,
    private readonly process: Process,
  ) {
    this.#over = this.#own();
  }

  /** Own the process no longer; idempotent. */
  async leave(): Promise<void> {
    this.#left.abort();
    await this.#over;
  }

  async #own(): Promise<void> {
    const limits = new Limits({ signal: this.#left.signal });
    const what = `owning ${this.process.name}`;
    const attempts = new Attempts(this.session, what, true);
    try {
      while (!(await this.#attach(limits, attempts))) {
        // again
      }
    } catch (error) {
      if (!this.#left.signal.aborted) {
        this.session.logger?.info(`${what} has ended: ${String(error)}`);
      }
    }
  }

  /** Own it for one call; return whether that was the last one. */
  async #attach(limits: Limits, attempts: Attempts): Promise<boolean> {
    const messages = this.processes.runProcess(this.#requests(), limits.options);
    const call = new LiveStream(this.session, messages, isHeartbeat);
    try {
      for (let message; (message = await call.next()) !== undefined;) {
        attempts.succeeded();
        if (message.event.case === "started") {
          checkSame(this.process, message.event.value.process);
          this.session.logger?.debug(`this program owns ${this.process.name}`);
        }
      }
      return true;
    } catch (error) {
      if (!(error instanceof UnavailableError)) {
        throw error;
      }
      await attempts.failed(error, limits);
      return false;
    } finally {
      call.leave();
    }
  }

  // eslint-disable-next-line @typescript-eslint/require-await -- the stub takes nothing else
  async *#requests(): AsyncGenerator<Request> {
    const { heartbeatInterval } = this.session;
    const attach = { name: this.process.name, owner: true, withoutOutput: true };
    yield {
      request: { case: "attach", value: attach },
      ...(heartbeatInterval && { heartbeatInterval }),
    };
  }
}

function isHeartbeat({ event }: RunProcessResponse): boolean {
  return event.case === "heartbeat";
}
