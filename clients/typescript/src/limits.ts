/** What bounds one call of this library, over all attempts and waits that it is made of. */

import { callError } from "./status.js";
import type { CallOptions } from "./stubs.js";

const MAX_TIMER_MS = 2 ** 31 - 1; // beyond it, a timer of Node fires at once

/** The caller's signal and deadline. */
export class Limits {
  readonly #signal: AbortSignal | undefined;
  readonly #metadata: Readonly<Record<string, string>> | undefined;
  readonly #deadline: number;

  /** @throws RangeError `timeoutMs` is not a number of milliseconds. */
  constructor({ signal, timeoutMs, metadata }: CallOptions = {}) {
    this.#signal = signal;
    this.#metadata = metadata;
    this.#deadline = deadlineAfter(timeoutMs);
  }

  /** Bounds of a call that begins now. */
  get options(): CallOptions {
    return {
      signal: this.#signal,
      timeoutMs: Number.isFinite(this.#deadline) ? this.remainingMs : undefined,
      metadata: this.#metadata,
    };
  }

  /** Return the same bounds for calls that carry more metadata. */
  with(metadata: Readonly<Record<string, string>>): Limits {
    return new Limits({ ...this.options, metadata: { ...this.#metadata, ...metadata } });
  }

  /** Return what the work gives, or throw as soon as a bound is reached; the work goes on then. */
  async race<Result>(work: Promise<Result>): Promise<Result> {
    if (this.#signal === undefined && !Number.isFinite(this.#deadline)) {
      return await work;
    }
    let timer: NodeJS.Timeout | undefined;
    let onAbort: (() => void) | undefined;
    const bound = new Promise<never>((_, reject) => {
      onAbort = () => {
        reject(this.#signal?.reason as Error);
      };
      if (Number.isFinite(this.#deadline)) {
        timer = setTimeout(
          () => {
            reject(deadlineExceeded());
          },
          Math.min(this.remainingMs, MAX_TIMER_MS),
        );
      }
      this.#signal?.addEventListener("abort", onAbort, { once: true });
      if (this.#signal?.aborted) {
        onAbort();
      }
    });
    try {
      return await Promise.race([work, bound]);
    } finally {
      clearTimeout(timer);
      if (onAbort !== undefined) {
        this.#signal?.removeEventListener("abort", onAbort);
      }
    }
  }

  /** Wait, but not beyond a bound. */
  async sleep(ms: number): Promise<void> {
    let timer: NodeJS.Timeout | undefined;
    const pause = new Promise<void>((resolve) => {
      timer = setTimeout(resolve, Math.min(ms, MAX_TIMER_MS));
    });
    try {
      await this.race(pause);
    } finally {
      clearTimeout(timer);
    }
  }

  /** Milliseconds until the deadline; infinite without one. */
  get remainingMs(): number {
    return Math.max(0, this.#deadline - Date.now());
  }
}

/** Return when a call that begins now must have ended, in milliseconds of the epoch. */
export function deadlineAfter(timeoutMs = Infinity): number {
  if (!(timeoutMs >= 0)) {
    throw new RangeError(`timeoutMs is ${String(timeoutMs)}; it must be 0 or more milliseconds`);
  }
  return Date.now() + timeoutMs;
}

function deadlineExceeded(): Error {
  return callError({ code: "DEADLINE_EXCEEDED", message: "the deadline of the call was up" });
}
