/**
 * One output stream of a process, as bytes that survive lost connections.
 *
 *     state    event                                     next
 *     IDLE     receive()                                 READING
 *     READING  the daemon is out of reach, or has        IDLE, and after a while READING again
 *              ended the call of a reader that paused
 *     READING  signal, deadline, close, another error    IDLE
 *     READING  the end of the stream                     ENDED
 *
 * READING is a ReadOutput call that was asked for what follows `offset`. The offset moves with the
 * bytes that are handed out, and only then, so whatever ends the call, the next one goes on at the
 * right byte.
 */

import { Readable } from "node:stream";

import { SubscriberStalledError, UnavailableError } from "./errors.js";
import {
  GapPolicy,
  type OutputCursor,
  OutputStream,
  type Process,
} from "./gen/hcsd/v1/process_pb.js";
import type { ProcessService, ReadOutputResponse } from "./gen/hcsd/v1/process_service_pb.js";
import { Limits } from "./limits.js";
import { LiveStream } from "./live.js";
import { Attempts } from "./retry.js";
import type { Session } from "./session.js";
import { checkSame, present } from "./status.js";
import type { CallOptions, Stub } from "./stubs.js";

/** Where and how to read an output. */
export interface OutputOptions {
  /** Where to begin, in bytes from the start of the stream. Default: 0. */
  readonly offset?: bigint | undefined;
  /** Instead, how many bytes before the present end, or as many as there are. */
  readonly lastBytes?: bigint | undefined;
  /** Go on behind bytes that are gone, and count them, rather than fail. */
  readonly skipGaps?: boolean | undefined;
}

/**
 * What a process writes to one of its streams; iterate over it, or `receive`.
 *
 * It follows the stream until its end. A lost connection shows only as a pause: reading goes on at the
 * byte where it stopped, within the bounds of {@link Retry}. So does a loop that was left, a `receive`
 * that was aborted, and a program that pauses for longer than the daemon waits for it. One reader may
 * read it at a time.
 *
 * Reading throws `OutputEvictedError` (bytes are gone that were not read in time, and `skipGaps` is
 * off), `DaemonRestartedError` (the process ended with an earlier run of the daemon), `NotFoundError`
 * (it was deleted), `UnavailableError` (the daemon was out of reach for too long), or what any call
 * throws; see `Client`.
 */
export class RemoteOutput implements AsyncIterable<Uint8Array> {
  readonly #session: Session;
  readonly #processes: Stub<typeof ProcessService>;
  readonly #process: Process;
  readonly #stream: OutputStream;
  readonly #lastBytes: bigint | undefined;
  readonly #attempts: Attempts;
  readonly #gapPolicy: GapPolicy;
  #call: LiveStream<ReadOutputResponse> | undefined;
  #offset: bigint | undefined;
  #rest: Uint8Array = new Uint8Array(); // received, and not yet handed out
  #moved = false; // the present call has given bytes
  #skipped = 0n;
  #forced = false;
  #ended = false;

  /** @internal */
  constructor(
    session: Session,
    processes: Stub<typeof ProcessService>,
    process: Process,
    stream: OutputStream,
    { offset = 0n, lastBytes, skipGaps = false }: OutputOptions = {},
  ) {
    this.#session = session;
    this.#processes = processes;
    this.#process = process;
    this.#stream = stream;
    this.#lastBytes = lastBytes;
    this.#offset = lastBytes === undefined ? offset : undefined;
    this.#attempts = new Attempts(session, `reading ${nameOf(stream)} of ${process.name}`);
    this.#gapPolicy = skipGaps ? GapPolicy.REPORT : GapPolicy.FAIL;
  }

  /**
   * Offset of the next byte, from the start of the stream. Undefined until it is known: a stream that
   * is read from its tail tells it with the first bytes.
   */
  get offset(): bigint | undefined {
    return this.#offset;
  }

  /** How many bytes were gone, with `skipGaps`. */
  get skipped(): bigint {
    return this.#skipped;
  }

  /** Whether the daemon ended the stream, since a descendant of the process kept it open. */
  get forced(): boolean {
    return this.#forced;
  }

  /** Return the next bytes, at least one; undefined at the end. */
  async receive(options?: CallOptions): Promise<Uint8Array | undefined> {
    const limits = new Limits(options);
    while (this.#rest.length === 0) {
      if (this.#ended) {
        this.close();
        return undefined;
      }
      try {
        this.#take(await limits.race(this.#next()));
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
    const data = this.#rest;
    this.#rest = new Uint8Array();
    this.#offset = (this.#offset ?? 0n) + BigInt(data.length);
    return data;
  }

  /** Iterate over what is left; leaving the loop gives up the call and nothing else. */
  async *[Symbol.asyncIterator](): AsyncGenerator<Uint8Array, undefined> {
    try {
      for (;;) {
        const data = await this.receive();
        if (data === undefined) {
          return;
        }
        yield data;
      }
    } finally {
      this.close();
    }
  }

  /** Return all that is left, when the stream has ended. */
  async bytes(options?: CallOptions): Promise<Uint8Array> {
    const bounds = new Limits(options);
    const parts: Uint8Array[] = [];
    for (;;) {
      const data = await this.receive(bounds.options);
      if (data === undefined) {
        return joined(parts);
      }
      parts.push(data);
    }
  }

  /** Return all that is left as text, from UTF-8. */
  async text(options?: CallOptions): Promise<string> {
    return new TextDecoder().decode(await this.bytes(options));
  }

  /**
   * Return what is left as a stream of Node, which ends with it and fails as `receive` does. What that
   * has read ahead (`highWaterMark` bytes, by default 64 KiB) is no longer here to read.
   */
  readable(): Readable {
    const left = new AbortController();
    const receive = (): Promise<Uint8Array | undefined> => this.receive({ signal: left.signal });
    return new Readable({
      read(this: Readable) {
        receive().then(
          (data) => {
            this.push(data ?? null);
          },
          (error: unknown) => {
            this.destroy(error as Error);
          },
        );
      },
      destroy: (error, done) => {
        left.abort();
        this.close();
        done(error);
      },
    });
  }

  /** End the call; idempotent. Reading again goes on where it stopped. */
  close(): void {
    const call = this.#call;
    this.#call = undefined;
    this.#rest = new Uint8Array();
    call?.leave();
  }

  get #position(): OutputCursor["position"] {
    return this.#offset === undefined
      ? { case: "lastBytes", value: this.#lastBytes ?? 0n }
      : { case: "offset", value: this.#offset };
  }

  #next(): Promise<ReadOutputResponse | undefined> {
    this.#call ??= this.#begin();
    return this.#call.next();
  }

  #begin(): LiveStream<ReadOutputResponse> {
    const { heartbeatInterval } = this.#session;
    const messages = this.#processes.readOutput({
      name: this.#process.name,
      cursors: [{ stream: this.#stream, position: this.#position }],
      follow: true,
      gapPolicy: this.#gapPolicy,
      ...(heartbeatInterval && { heartbeatInterval }),
    });
    return new LiveStream(this.#session, messages, ({ event }) => event.case === "heartbeat");
  }

  #take(response: ReadOutputResponse | undefined): void {
    this.#attempts.succeeded();
    const event = response?.event;
    switch (event?.case) {
      case "started": {
        checkSame(this.#process, event.value.process);
        const position = present(event.value.cursors[0], "started.cursors").position;
        this.#offset = position.case === "offset" ? position.value : 0n;
        break;
      }
      case "chunk":
        this.#rest = event.value.data;
        this.#moved = true;
        break;
      case "gap":
        this.#skipped += event.value.toOffset - event.value.fromOffset;
        this.#offset = event.value.toOffset;
        break;
      case "eof":
        this.#forced = event.value.forced;
        this.#ended = true;
        break;
      case "end":
        this.#ended = true;
        break;
      default: // a heartbeat, an exit, which others wait for, or what a later contract has
        this.#ended ||= response === undefined;
    }
  }
}

function nameOf(stream: OutputStream): string {
  return stream === OutputStream.STDERR ? "stderr" : "stdout";
}

function joined(parts: readonly Uint8Array[]): Uint8Array {
  const all = new Uint8Array(parts.reduce((length, part) => length + part.length, 0));
  let offset = 0;
  for (const part of parts) {
    all.set(part, offset);
    offset += part.length;
  }
  return all;
}
