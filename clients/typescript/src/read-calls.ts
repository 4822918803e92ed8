/**
 * The calls by which an output is read, one after the other.
 *
 *     state    event                                     next
 *     IDLE     next()                                    READING
 *     READING  a message                                 READING
 *     READING  the daemon is out of reach, or has        IDLE, and after a while READING again
 *              ended the call of a reader that paused
 *     READING  signal, deadline, close, another error    IDLE
 *
 * What is asked for is said anew for each call: whoever reads has moved meanwhile.
 */

import type { MessageInitShape } from "@bufbuild/protobuf";

import { SubscriberStalledError, UnavailableError } from "./errors.js";
import type { Process } from "./gen/hcsd/v1/process_pb.js";
import type {
  ProcessService,
  ReadOutputRequestSchema,
  ReadOutputResponse,
} from "./gen/hcsd/v1/process_service_pb.js";
import type { Limits } from "./limits.js";
import { LiveStream } from "./live.js";
import { Attempts } from "./retry.js";
import type { Session } from "./session.js";
import { checkSame } from "./status.js";
import type { Stub } from "./stubs.js";

/** See the module. One reader at a time may use it. */
export class ReadCalls {
  readonly #attempts: Attempts;
  #call: LiveStream<ReadOutputResponse> | undefined;
  #moved = false; // the present call has given bytes

  constructor(
    private readonly session: Session,
    private readonly processes: Stub<typeof ProcessService>,
    private readonly process: Process,
    what: string,
    private readonly request: () => MessageInitShape<typeof ReadOutputRequestSchema>,
  ) {
    this.#attempts = new Attempts(session, `reading ${what} of ${process.name}`);
  }

  /** Return the next message; undefined at the end. */
  async next(limits: Limits): Promise<ReadOutputResponse | undefined> {
    for (;;) {
      try {
        this.#call ??= this.#begin();
        const message = await limits.race(this.#call.next());
        this.#attempts.succeeded();
        if (message?.event.case === "started") {
          checkSame(this.process, message.event.value.process);
        }
        this.#moved ||= message?.event.case === "chunk";
        return message;
      } catch (error) {
        this.close();
        if (error instanceof UnavailableError) {
          await this.#attempts.failed(error, limits);
        } else if (!(error instanceof SubscriberStalledError && this.#moved)) {
          throw error; // after a call that gave nothing, another one would not, either
        }
        this.#moved = false;
      }
    }
  }

  /** End the call; idempotent. */
  close(): void {
    const call = this.#call;
    this.#call = undefined;
    call?.leave();
  }

  #begin(): LiveStream<ReadOutputResponse> {
    const { heartbeatInterval } = this.session;
    const messages = this.processes.readOutput({
      ...this.request(),
      ...(heartbeatInterval && { heartbeatInterval }),
    });
    return new LiveStream(this.session, messages, ({ event }) => event.case === "heartbeat");
  }
}
