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
 * READING is a call that was asked for what follows `offset`. The offset moves with the
 * bytes that are handed out, and only then, so whatever ends the call, the next one goes on at the
 * right byte.
 */

import { Readable } from "node:stream";

import type { MessageInitShape } from "@bufbuild/protobuf";

import {
  GapPolicy,
  type OutputCursor,
  OutputStream,
  type Process,
} from "./gen/hcsd/v1/process_pb.js";
import type {
  ProcessService,
  ReadOutputRequestSchema,
  ReadOutputResponse,
} from "./gen/hcsd/v1/process_service_pb.js";
import { Limits } from "./limits.js";
import { joined, LineCutter } from "./lines.js";
import { ReadCalls } from "./read-calls.js";
import type { Session } from "./session.js";
import { present } from "./status.js";
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
 * off), `DaemonRestartedError` (the daemon has lost its state, and the process), `NotFoundError`
 * (it was deleted), `UnavailableError` (the daemon was out of reach for too long), or what any call
 * throws; see `Client`.
 */
export class RemoteOutput implements AsyncIterable<Uint8Array> {
  readonly #calls: ReadCalls;
  readonly #name: string;
  readonly #stream: OutputStream;
  readonly #lastBytes: bigint | undefined;
  readonly #gapPolicy: GapPolicy;
  #offset: bigint | undefined;
  #rest: Uint8Array = new Uint8Array(); // received, and not yet handed out
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
    this.#calls = new ReadCalls(session, processes, process, nameOf(stream), () => this.#request);
    this.#name = process.name;
    this.#stream = stream;
    this.#lastBytes = lastBytes;
    this.#offset = lastBytes === undefined ? offset : undefined;
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
      this.#take(await this.#calls.next(limits));
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
   * Iterate over the lines that are left, as text from UTF-8 and without their ends; one over 1 MiB comes in
   * pieces. A loop that is left may have read ahead: what it has is no longer here to read.
   */
  async *lines(): AsyncGenerator<string, undefined> {
    const cutter = new LineCutter();
    for await (const data of this) {
      yield* cutter.cut(data);
    }
    yield* cutter.finish();
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
    this.#rest = new Uint8Array();
    this.#calls.close();
  }

  get #position(): OutputCursor["position"] {
    return this.#offset === undefined
      ? { case: "lastBytes", value: this.#lastBytes ?? 0n }
      : { case: "offset", value: this.#offset };
  }

  get #request(): MessageInitShape<typeof ReadOutputRequestSchema> {
    return {
      name: this.#name,
      cursors: [{ stream: this.#stream, position: this.#position }],
      follow: true,
      gapPolicy: this.#gapPolicy,
    };
  }

  #take(response: ReadOutputResponse | undefined): void {
    const event = response?.event;
    switch (event?.case) {
      case "started": {
        const position = present(event.value.cursors[0], "started.cursors").position;
        this.#offset = position.case === "offset" ? position.value : 0n;
        break;
      }
      case "chunk":
        this.#rest = event.value.data;
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
