/**
 * Watching events, beyond lost connections.
 *
 *     state     event                                      next
 *     IDLE      next()                                     WATCHING
 *     WATCHING  the connection is lost                     IDLE, and after a while WATCHING again
 *     WATCHING  nothing can follow `#position`             WATCHING, from another snapshot; else OVER
 *     WATCHING  `return`, the signal, any other error      OVER
 *
 * `#position` is what the last message belongs to, and a new call goes on after it. Parts of a snapshot
 * are no position until the snapshot is complete: a new call begins with another one.
 */

import type { MessageInitShape } from "@bufbuild/protobuf";

import {
  DaemonRestartedError,
  DaemonUnreachableError,
  RevisionCompactedError,
  SubscriberStalledError,
  UnavailableError,
} from "./errors.js";
import type { EventService, WatchEventsResponse } from "./gen/hcsd/v1/event_service_pb.js";
import { Limits } from "./limits.js";
import { LiveStream } from "./live.js";
import { Mutex } from "./mutex.js";
import { ALL_SYSTEMS } from "./names.js";
import type { WatchOptions } from "./options.js";
import { Attempts } from "./retry.js";
import type { Session } from "./session.js";
import type { Stub } from "./stubs.js";

type Request = MessageInitShape<typeof EventService.method.watchEvents.input>;

interface Position {
  readonly revision: bigint;
  readonly incarnation: string;
}

/**
 * The messages of a watch, in their order; iterate over it once.
 *
 * Watching begins with the first message asked for, and goes on after lost connections: each event is
 * given once. A bookmark is the first message without a snapshot; later ones come when a revision was
 * reached that no event here has told.
 *
 * With a snapshot it also goes on where the daemon has lost its state, or events are missing: by another
 * snapshot. Whoever gets a part of a snapshot whose revision or incarnation is another one than that of the
 * part before forgets what it knew. A snapshot whose connection broke before its last part (`complete`)
 * comes anew, too.
 *
 * To leave, break out of the loop, call `return`, or abort the signal of the options.
 */
export class EventWatch
  implements AsyncIterableIterator<WatchEventsResponse, undefined>, AsyncDisposable
{
  readonly #session: Session;
  readonly #events: Stub<typeof EventService>;
  readonly #options: WatchOptions;
  readonly #attempts: Attempts;
  readonly #turns = new Mutex();
  readonly #left = new AbortController();
  #limits: Limits | undefined;
  #call: LiveStream<WatchEventsResponse> | undefined;
  #position: Position | undefined;
  #inSnapshot: boolean;
  #over = false;

  /** @internal */
  constructor(session: Session, events: Stub<typeof EventService>, options: WatchOptions) {
    this.#session = session;
    this.#events = events;
    this.#options = options;
    this.#attempts = new Attempts(session, "WatchEvents");
    this.#inSnapshot = options.snapshot ?? false;
  }

  [Symbol.asyncIterator](): this {
    return this;
  }

  /** Return the next message. */
  async next(): Promise<IteratorResult<WatchEventsResponse, undefined>> {
    const value = await this.#turns.run(new Limits(), () => this.#receive());
    return value === undefined ? { done: true, value } : { done: false, value };
  }

  /** End the watch; idempotent. */
  return(): Promise<IteratorReturnResult<undefined>> {
    this.#over = true;
    this.#left.abort();
    this.#call?.leave();
    return Promise.resolve({ done: true, value: undefined });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.return();
  }

  async #receive(): Promise<WatchEventsResponse | undefined> {
    const limits = (this.#limits ??= this.#bounds());
    while (!this.#over) {
      try {
        this.#call ??= this.#begin(limits);
        const message = await this.#call.next();
        this.#attempts.succeeded();
        this.#over ||= message === undefined;
        if (message !== undefined && this.#isNews(message)) {
          return message;
        }
      } catch (error) {
        this.#call?.leave();
        this.#call = undefined;
        await this.#failed(error, limits);
      }
    }
    return undefined;
  }

  /** Wait before the next attempt; throw the error if there is to be none. */
  async #failed(error: unknown, limits: Limits): Promise<void> {
    if (this.#isLeft()) {
      return;
    }
    if (this.#beginsAnew(error)) {
      this.#position = undefined;
      this.#attempts.succeeded(); // the daemon is there
      return;
    }
    const isHopeless = error instanceof DaemonUnreachableError && !this.#session.channel.isReached;
    try {
      if (!(error instanceof UnavailableError) || isHopeless) {
        throw error;
      }
      await this.#attempts.failed(error, limits);
    } catch (final) {
      this.#over = true;
      if (!this.#isLeft()) {
        throw final;
      }
    }
  }

  /** Whether nothing can follow what was given, and another snapshot is to take its place. */
  #beginsAnew(error: unknown): boolean {
    const isNoWayOn =
      error instanceof DaemonRestartedError ||
      error instanceof RevisionCompactedError ||
      error instanceof SubscriberStalledError;
    const isPlaced = this.#position !== undefined && !this.#inSnapshot;
    return isNoWayOn && isPlaced && (this.#options.snapshot ?? false);
  }

  #begin(limits: Limits): LiveStream<WatchEventsResponse> {
    const messages = this.#events.watchEvents(this.#request(), limits.options);
    return new LiveStream(this.#session, messages, ({ item }) => item.case === "bookmark");
  }

  #request(): Request {
    const { parent = ALL_SYSTEMS, afterRevision, incarnation = "" } = this.#options;
    const { heartbeatInterval } = this.#session;
    const common = { parent, ...(heartbeatInterval && { heartbeatInterval }) };
    if (this.#position !== undefined && !this.#inSnapshot) {
      const { revision, incarnation: run } = this.#position;
      return { ...common, afterRevision: revision, incarnation: run };
    }
    return {
      ...common,
      incarnation,
      sendSnapshot: this.#options.snapshot ?? false,
      ...(afterRevision !== undefined && { afterRevision }),
    };
  }

  /** Take a message in; return whether the caller has not had it. */
  #isNews({ item }: WatchEventsResponse): boolean {
    if (item.case === undefined) {
      return true; // of a later contract
    }
    const { revision, incarnation } = item.value;
    const before = this.#position;
    const isKnown = before?.incarnation === incarnation && revision <= before.revision;
    if (item.case === "snapshot") {
      this.#inSnapshot = !item.value.complete;
    } else if (isKnown) {
      return false;
    }
    this.#position = { revision, incarnation };
    return true;
  }

  #isLeft(): boolean {
    return this.#left.signal.aborted;
  }

  #bounds(): Limits {
    const { signal } = this.#options;
    const left = this.#left.signal;
    return new Limits({
      ...this.#options,
      signal: signal === undefined ? left : AbortSignal.any([signal, left]),
    });
  }
}
