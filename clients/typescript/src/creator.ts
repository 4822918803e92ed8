/**
 * Creating processes so that no command runs twice.
 *
 * A create that is repeated has a request id, by which the daemon knows it again, and is meant for one run
 * of the daemon: another run has forgotten the ids.
 *
 *     state     event                                      next
 *     UNSENT    the daemon is out of reach                 UNSENT, after a while
 *     UNSENT    another run of the daemon has answered     UNSENT, for that run
 *     UNSENT    the connection is lost during the create   SENT
 *     SENT      the connection is lost, or not made        SENT, after a while
 *     SENT      another run of the daemon has answered     over: DaemonRestartedError
 *     any       the answer, or any other error             over
 */

import { randomUUID } from "node:crypto";

import {
  ConnectionLostError,
  DaemonRestartedError,
  DaemonUnreachableError,
  UnavailableError,
} from "./errors.js";
import type { HostService } from "./gen/hcsd/v1/host_service_pb.js";
import type { Process } from "./gen/hcsd/v1/process_pb.js";
import type { ProcessService } from "./gen/hcsd/v1/process_service_pb.js";
import { Limits } from "./limits.js";
import type { CreateRequest } from "./requests.js";
import { Attempts } from "./retry.js";
import type { Session } from "./session.js";
import { present } from "./status.js";
import type { CallOptions, Stub } from "./stubs.js";

export const INCARNATION = "hcsd-incarnation";

/** Creates the processes of one client. */
export class Creator {
  #incarnation: string | undefined;

  constructor(
    private readonly session: Session,
    private readonly processes: Stub<typeof ProcessService>,
    private readonly host: Stub<typeof HostService>,
  ) {}

  /** Take note of the run of the daemon that has answered last. */
  note(incarnation: string): void {
    this.#incarnation = incarnation;
  }

  /** Create a process, however often the connection is lost meanwhile. */
  async create(asked: CreateRequest, options: CallOptions): Promise<Process> {
    const request = { ...asked, requestId: asked.requestId || randomUUID() };
    const limits = new Limits(options);
    const attempts = new Attempts(this.session, "CreateProcess");
    let sent = false;
    for (let first = true; ; first = false) {
      let calling = false;
      try {
        const pin = options.metadata?.[INCARNATION] ?? (await this.#known(limits));
        const metadata = { ...options.metadata, [INCARNATION]: pin };
        calling = true;
        const call = { ...limits.options, metadata };
        const answer = await this.processes.createProcess(request, call);
        attempts.succeeded();
        return present(answer.process, "process");
      } catch (error) {
        if (error instanceof DaemonRestartedError) {
          this.#incarnation = undefined;
          if (sent || options.metadata?.[INCARNATION] !== undefined) {
            throw sent ? mayHaveRun(error) : error;
          }
        } else if (!(error instanceof UnavailableError)) {
          throw error;
        } else if (first && error instanceof DaemonUnreachableError) {
          throw error;
        }
        sent ||= calling && error instanceof ConnectionLostError;
        await attempts.failed(error, limits);
      }
    }
  }

  async #known(limits: Limits): Promise<string> {
    if (this.#incarnation === undefined) {
      this.#incarnation = (await this.host.getHost({}, limits.options)).incarnation;
      this.session.logger?.debug(`processes are created at the daemon's run ${this.#incarnation}`);
    }
    return this.#incarnation;
  }
}

function mayHaveRun(error: DaemonRestartedError): DaemonRestartedError {
  return new DaemonRestartedError({
    code: error.code,
    reason: error.reason,
    metadata: error.metadata,
    message:
      "the daemon was started anew while the process was being created: its earlier run may have " +
      "started the command, and ended it",
    cause: error,
  });
}
