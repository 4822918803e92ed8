/**
 * Starting processes so that no command runs twice.
 *
 * A call that is repeated has a request id, by which the daemon knows it again, and is meant for one state
 * of the daemon: without it the ids are forgotten.
 *
 *     state     event                                      next
 *     UNSENT    the daemon is out of reach                 UNSENT, after a while
 *     UNSENT    a daemon of another state has answered     UNSENT, for that run
 *     UNSENT    lost, or refused by a daemon that stops    SENT
 *     UNSENT    an answer that is none yet                 SENT
 *     SENT      an answer that is none yet                 SENT, for the same run, whichever others have met
 *     SENT      the connection is lost, or not made        SENT, after a while, for the same run
 *     SENT      a daemon of another state has answered     over: DaemonRestartedError
 *     any       the answer, or any other error             over
 */

import { randomUUID } from "node:crypto";

import { DaemonRestartedError, DaemonUnreachableError, UnavailableError } from "./errors.js";
import type { HostService } from "./gen/hcsd/v1/host_service_pb.js";
import type { Process } from "./gen/hcsd/v1/process_pb.js";
import type {
  CreateProcessResponse,
  ExecProcessResponse,
  ProcessService,
} from "./gen/hcsd/v1/process_service_pb.js";
import { Limits } from "./limits.js";
import { Pieces } from "./pieces.js";
import type { CreateRequest, ExecRequest } from "./requests.js";
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
    const attempts = new Attempts(this.session, "CreateProcess");
    const answer = await this.#once(attempts, options, (limits) =>
      this.processes.createProcess(request, limits.options),
    );
    return present(answer.process, "process");
  }

  /** Run a process to its end. It is asked for in pieces; the same request joins the run that it has begun. */
  async exec(asked: ExecRequest, options: CallOptions): Promise<ExecProcessResponse> {
    const requestId = asked.create.requestId || randomUUID();
    const request = { ...asked, create: { ...asked.create, requestId } };
    const attempts = new Attempts(this.session, "ExecProcess");
    const pieces = new Pieces(this.session);
    return await this.#once(attempts, options, (limits) =>
      pieces.ask(limits, (timeout, call) =>
        this.processes.execProcess({ ...request, timeout }, call),
      ),
    );
  }

  async #once<Answer extends CreateProcessResponse | ExecProcessResponse>(
    attempts: Attempts,
    options: CallOptions,
    ask: (limits: Limits) => Promise<Answer>,
  ): Promise<Answer> {
    const limits = new Limits(options);
    const given = options.metadata?.[INCARNATION];
    let pin: string | undefined; // of the run that the call was sent to
    for (;;) {
      let calling = false;
      let meant = pin;
      try {
        meant ??= given ?? (await this.#known(limits));
        calling = true;
        const answer = await ask(limits.with({ [INCARNATION]: meant }));
        attempts.succeeded();
        if (!("timedOut" in answer && answer.timedOut)) {
          return answer;
        }
        pin = meant;
      } catch (error) {
        if (error instanceof DaemonRestartedError) {
          this.#forget(meant);
          if (pin !== undefined || given !== undefined) {
            throw pin === undefined ? error : mayHaveRun(error);
          }
        } else if (!(error instanceof UnavailableError)) {
          throw error;
        } else if (error instanceof DaemonUnreachableError && !this.session.channel.isReached) {
          throw error;
        } else if (calling && !(error instanceof DaemonUnreachableError)) {
          pin = meant; // a daemon that stops says that it is unavailable also of what it has begun
        }
        await attempts.failed(error, limits);
      }
    }
  }

  #forget(incarnation: string | undefined): void {
    if (this.#incarnation === incarnation) {
      this.#incarnation = undefined;
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
    message: "the daemon lost its state before it had answered: it may have run the command",
    cause: error,
  });
}
