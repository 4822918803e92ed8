/** What the objects of one client share: its channel, and how they go on after a lost connection. */

import { type Duration, durationFromMs } from "@bufbuild/protobuf/wkt";

import type { Channel } from "./channel.js";

export const DEFAULT_KEEPALIVE_MS = 20_000;

const MIN_HEARTBEAT_MS = 100; // the contract takes no less, and no more than the next one
const MAX_HEARTBEAT_MS = 3_600_000;
const MIN_SILENCE_MS = 1000;
const PIECE_MS = 20_000;

export const MIN_PIECE_MS = 250;

/**
 * Who is told what the library does by itself: each attempt after a lost connection, and each stream that
 * goes on. `console` is one, and so are the loggers of pino and winston.
 */
export interface Logger {
  /** Take a line that helps to find a fault. */
  debug(message: string): void;
  /** Take a line that an operator may want to see. */
  info(message: string): void;
}

/**
 * How a client goes on when the connection breaks.
 *
 * It tries again after `firstDelayMs`, doubling up to `maxDelayMs`, each time with a random part of
 * it, and throws the last error after `attempts` in a row without a word from the daemon: by default
 * after some 10 s. The count begins anew with every answer, and with every message of a stream.
 */
export interface Retry {
  /** How often to try again; 0 throws the first error. */
  readonly attempts: number;
  /** Milliseconds before the first attempt. */
  readonly firstDelayMs: number;
  /** Milliseconds between two attempts at the most. */
  readonly maxDelayMs: number;
}

export const DEFAULT_RETRY: Retry = { attempts: 12, firstDelayMs: 50, maxDelayMs: 2000 };

/** See the module. */
export class Session {
  /** Whether the daemon is known to send heartbeats, as those of today do when they are asked to. */
  beats = false;

  constructor(
    readonly channel: Channel,
    readonly retry: Retry,
    /** Milliseconds; 0 is off. */
    private readonly keepaliveMs: number,
    readonly logger: Logger | undefined,
  ) {}

  /** How often the daemon is asked to say that it is there; undefined: never. */
  get heartbeatInterval(): Duration | undefined {
    const bounded = Math.max(MIN_HEARTBEAT_MS, Math.min(this.keepaliveMs, MAX_HEARTBEAT_MS));
    return this.keepaliveMs === 0 ? undefined : durationFromMs(Math.ceil(bounded));
  }

  /** Milliseconds without a heartbeat after which a stream is lost; undefined: never. */
  get silenceMs(): number | undefined {
    return this.keepaliveMs === 0 ? undefined : Math.max(2 * this.keepaliveMs, MIN_SILENCE_MS);
  }

  /** Milliseconds of one piece of a wait that is asked for in pieces. */
  get pieceMs(): number {
    return this.keepaliveMs === 0
      ? PIECE_MS
      : Math.max(MIN_PIECE_MS, Math.min(this.keepaliveMs, PIECE_MS));
  }
}

/**
 * Return milliseconds, with 0 for never.
 *
 * @throws RangeError It is no time.
 */
export function checkKeepalive(keepaliveMs: number): number {
  if (!(keepaliveMs >= 0)) {
    throw new RangeError(
      `keepaliveMs is ${String(keepaliveMs)}; give milliseconds, or 0 for no keepalive`,
    );
  }
  return Number.isFinite(keepaliveMs) ? keepaliveMs : 0;
}
