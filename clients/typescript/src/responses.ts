/**
 * Calls that are answered with many messages.
 *
 *     state    event                                           next
 *     IDLE     the first message is asked for                  READING
 *     READING  a message                                       READING
 *     READING  the end, a failure, the signal, `return`        OVER
 *     IDLE     `return`                                        OVER
 *
 * A message is asked of gRPC when one is asked for here, but for one ahead: left to itself, grpc-js
 * takes 16 into memory, and whatever is there when a connection breaks has to be read anew.
 */

import {
  type Client,
  type ClientReadableStream,
  InterceptingCall,
  type Interceptor,
} from "@grpc/grpc-js";

import type { Channel } from "./channel.js";

const MESSAGES_AHEAD = 1;

/**
 * The messages of one call, in their order; iterate over it once.
 *
 * The call begins with the first message asked for. To leave earlier, break out of the loop, call
 * `return`, or abort the signal that the call was given. Leaving detaches and changes nothing else.
 */
export class Responses<Message>
  implements AsyncIterableIterator<Message, undefined>, AsyncDisposable
{
  readonly #channel: Channel;
  readonly #signal: AbortSignal | undefined;
  readonly #start: (pace: Interceptor) => ClientReadableStream<Message>;
  readonly #pace = new Pace();
  #messages: AsyncIterator<Message, undefined> | undefined;
  #connection: Client | undefined;
  #stop: (() => void) | undefined;
  #connected = false;
  #over = false;

  /** @internal */
  constructor(
    channel: Channel,
    signal: AbortSignal | undefined,
    start: (pace: Interceptor) => ClientReadableStream<Message>,
  ) {
    this.#channel = channel;
    this.#signal = signal;
    this.#start = start;
  }

  [Symbol.asyncIterator](): this {
    return this;
  }

  /** Return the next message. */
  async next(): Promise<IteratorResult<Message, undefined>> {
    if (this.#over) {
      return { done: true, value: undefined };
    }
    this.#messages ??= this.#begin();
    this.#pace.demand();
    try {
      const result = await this.#messages.next();
      if (result.done) {
        this.#leave();
      }
      this.#connected = true;
      this.#channel.reached();
      return result;
    } catch (error) {
      if (this.#leave()) {
        return { done: true, value: undefined }; // left meanwhile
      }
      throw this.#channel.translate(error, this.#signal, this.#connected);
    }
  }

  /** End the call; idempotent. */
  return(): Promise<IteratorReturnResult<undefined>> {
    this.#leave();
    return Promise.resolve({ done: true, value: undefined });
  }

  /** @internal End the call as one whose connection is lost, so that the next one gets another; idempotent. */
  abandon(): void {
    if (this.#connection !== undefined) {
      this.#channel.abandon(this.#connection);
    }
    this.#leave();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.return();
  }

  #begin(): AsyncIterator<Message, undefined> {
    this.#channel.check(this.#signal);
    this.#connection = this.#channel.grpc;
    const call = this.#start((options, next) => this.#pace.over(next(options)));
    const unwatch = this.#channel.watch(call, this.#signal);
    this.#stop = () => {
      unwatch();
      call.cancel();
    };
    return call[Symbol.asyncIterator]() as AsyncIterator<Message, undefined>;
  }

  /** End the call; return whether it was over. */
  #leave(): boolean {
    const over = this.#over;
    this.#over = true;
    this.#stop?.();
    return over;
  }
}

/** Holds back the reads of a call until somebody wants a message. */
class Pace {
  #wanted = MESSAGES_AHEAD;
  #held: (() => void) | undefined;

  /** Let one more message come. */
  demand(): void {
    this.#wanted += 1;
    this.#read();
  }

  over(call: ConstructorParameters<typeof InterceptingCall>[0]): InterceptingCall {
    return new PacedCall(call, (read) => {
      this.#held = read;
      this.#read();
    });
  }

  #read(): void {
    const read = this.#held;
    if (read !== undefined && this.#wanted > 0) {
      this.#wanted -= 1;
      this.#held = undefined;
      read();
    }
  }
}

class PacedCall extends InterceptingCall {
  constructor(
    call: ConstructorParameters<typeof InterceptingCall>[0],
    private readonly hold: (read: () => void) => void,
  ) {
    super(call);
  }

  override startRead(): void {
    this.hold(() => {
      super.startRead();
    });
  }
}
