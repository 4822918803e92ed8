/**
 * Output as lines of text.
 *
 *     BEGUN  bytes without a line end                 BEGUN, they are kept
 *     BEGUN  a line end, or the end of the stream     the line is given out, without its end
 *
 * A line is decoded by itself, by UTF-8, with U+FFFD for what is none: so a byte that is wrong spoils one
 * line.
 */

import type { MessageInitShape } from "@bufbuild/protobuf";
import { type Timestamp, timestampFromDate } from "@bufbuild/protobuf/wkt";

import { GapPolicy, type OutputChunk, OutputStream } from "./gen/hcsd/v1/process_pb.js";
import type {
  ReadOutputRequestSchema,
  ReadOutputResponse,
} from "./gen/hcsd/v1/process_service_pb.js";
import type { Limits } from "./limits.js";
import type { ReadCalls } from "./read-calls.js";
import type { CallOptions } from "./stubs.js";

const LONGEST = 1024 * 1024; // bytes; a longer line comes in pieces
const LINE_FEED = 10;
const CARRIAGE_RETURN = 13;

/** A line that a process has written. */
export interface Line {
  /** Where it was written to; with a console, "stdout". */
  readonly stream: "stdout" | "stderr";
  /** The line, without its end. */
  readonly text: string;
  /** When the daemon read its first byte; undefined if it is too old to tell. */
  readonly time: Date | undefined;
}

/** Which lines to read. */
export interface LinesOptions extends CallOptions {
  /** Begin with so many of the last lines of both outputs together. Default: all. */
  readonly last?: number | undefined;
  /** Leave out what the daemon has read before this time. Default: nothing. */
  readonly since?: Date | undefined;
}

/** Cuts the bytes of one stream into lines. */
export class LineCutter {
  #begun: Uint8Array[] = [];
  #size = 0;

  /** Whether a line has begun. */
  get inside(): boolean {
    return this.#size > 0;
  }

  /** Give the lines that end in the data, and keep the rest. */
  *cut(data: Uint8Array): Generator<string, undefined> {
    let start = 0;
    for (let end; (end = data.indexOf(LINE_FEED, start)) >= 0; start = end + 1) {
      yield this.#take(data.subarray(start, end));
    }
    if (start < data.length) {
      this.#begun.push(data.subarray(start));
      this.#size += data.length - start;
    }
    if (this.#size >= LONGEST) {
      yield this.#take();
    }
  }

  /** Give the last line if it has no end. */
  *finish(): Generator<string, undefined> {
    if (this.inside) {
      yield this.#take();
    }
  }

  #take(end: Uint8Array = new Uint8Array()): string {
    const line = joined([...this.#begun, end]);
    this.#begun = [];
    this.#size = 0;
    const length = line.at(-1) === CARRIAGE_RETURN ? line.length - 1 : line.length;
    return new TextDecoder("utf-8", { ignoreBOM: true }).decode(line.subarray(0, length));
  }
}

/** One of the streams of {@link LinesOfAll}. */
class Cut {
  readonly #cutter = new LineCutter();
  #since: Date | undefined; // when the first byte of the line that has begun was read
  /** Of the next byte to come. */
  offset = 0n;
  ended = false;

  constructor(private readonly name: Line["stream"]) {}

  *cut({ data, readTime }: OutputChunk): Generator<Line, undefined> {
    const time = readTime && dateOf(readTime);
    this.offset += BigInt(data.length);
    if (!this.#cutter.inside) {
      this.#since = time;
    }
    for (const text of this.#cutter.cut(data)) {
      yield { stream: this.name, text, time: this.#since };
      this.#since = time;
    }
  }

  *finish(): Generator<Line, undefined> {
    for (const text of this.#cutter.finish()) {
      yield { stream: this.name, text, time: this.#since };
    }
  }
}

/** Cuts both outputs of a process into lines, in the order in which they end. */
export class LinesOfAll {
  readonly #cuts = new Map([
    [OutputStream.STDOUT, new Cut("stdout")],
    [OutputStream.STDERR, new Cut("stderr")],
  ]);
  #located = false; // the offsets are known
  readonly #begin: MessageInitShape<typeof ReadOutputRequestSchema>;

  constructor(
    private readonly name: string,
    { last, since }: LinesOptions,
  ) {
    if (last !== undefined && !(Number.isInteger(last) && last >= 0)) {
      throw new RangeError(`last is ${String(last)}; give a whole number of lines`);
    }
    if (since !== undefined && Number.isNaN(since.getTime())) {
      throw new RangeError("since is no time; give a valid Date");
    }
    this.#begin = {
      ...(last !== undefined && { lastLines: last }),
      ...(since !== undefined && { since: timestampFromDate(since) }),
    };
  }

  /** What to ask for, to go on here. */
  request(): MessageInitShape<typeof ReadOutputRequestSchema> {
    const request = {
      name: this.name,
      follow: true,
      timestamps: true,
      gapPolicy: Object.keys(this.#begin).length === 0 ? GapPolicy.FAIL : GapPolicy.REPORT,
    };
    if (!this.#located) {
      return { ...request, ...this.#begin };
    }
    const cursors = [...this.#cuts].map(([stream, { offset }]) => ({
      stream,
      position: { case: "offset" as const, value: offset },
    }));
    return { ...request, cursors };
  }

  /** Give the lines as they come, until both outputs have ended. */
  async *from(calls: ReadCalls, limits: Limits): AsyncGenerator<Line, undefined> {
    try {
      while ([...this.#cuts.values()].some(({ ended }) => !ended)) {
        const message = await calls.next(limits);
        if (message === undefined) {
          return;
        }
        yield* this.#cut(message);
      }
    } finally {
      calls.close();
    }
  }

  *#cut({ event }: ReadOutputResponse): Generator<Line, undefined> {
    switch (event.case) {
      case "started":
        for (const { stream, position } of event.value.cursors) {
          this.#move(stream, position.case === "offset" ? position.value : 0n);
        }
        this.#located = true;
        break;
      case "chunk":
        yield* this.#cuts.get(event.value.stream)?.cut(event.value) ?? [];
        break;
      case "gap":
        this.#move(event.value.stream, event.value.toOffset);
        yield* this.#cuts.get(event.value.stream)?.finish() ?? [];
        break;
      case "eof":
        yield* this.#end(event.value.stream);
        break;
      case "end":
        yield* this.#end(OutputStream.STDOUT);
        yield* this.#end(OutputStream.STDERR);
        break;
      default: // a heartbeat, an exit, which others wait for, or what a later contract has
    }
  }

  #move(stream: OutputStream, offset: bigint): void {
    const cut = this.#cuts.get(stream);
    if (cut !== undefined) {
      cut.offset = offset;
    }
  }

  *#end(stream: OutputStream): Generator<Line, undefined> {
    const cut = this.#cuts.get(stream);
    if (cut !== undefined) {
      cut.ended = true;
      yield* cut.finish();
    }
  }
}

/** Return a time to the millisecond that it is in: a reader that comes back with a later one misses the line. */
function dateOf({ seconds, nanos }: Timestamp): Date {
  return new Date(Number(seconds) * 1000 + Math.floor(nanos / 1e6));
}

/** Return all parts as one. */
export function joined(parts: readonly Uint8Array[]): Uint8Array {
  const all = new Uint8Array(parts.reduce((length, part) => length + part.length, 0));
  let offset = 0;
  for (const part of parts) {
    all.set(part, offset);
    offset += part.length;
  }
  return all;
}
