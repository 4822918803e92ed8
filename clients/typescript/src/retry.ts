/** Trying again while the daemon is out of reach. */

import { type CallError, DaemonUnreachableError, UnavailableError } from "./errors.js";
import type { CallOptions } from "./stubs.js";
import type { Limits } from "./limits.js";

/**
 * How a process object goes on when the connection breaks.
 *
 * It tries again after `firstDelayMs`, doubling up to `maxDelayMs`, each time with a random part of
 * it, and throws the last error after `attempts` in a row without any progress: by default after some
 * 10 s. The count begins anew with every answer.
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

/** The attempts of one task after its last progress. */
export class Attempts {
  #failed = 0;

  constructor(private readonly retry: Retry) {}

  /** Note progress. */
  succeeded(): void {
    this.#failed = 0;
  }

  /** Wait before the next attempt; throw the error given if there is to be none. */
  async failed(error: CallError, limits: Limits): Promise<void> {
    if (this.#failed >= this.retry.attempts) {
      throw error;
    }
    const delay = Math.min(this.retry.firstDelayMs * 2 ** this.#failed, this.retry.maxDelayMs);
    this.#failed += 1;
    // The random part keeps many clients from coming back in step.
    const spread = delay * (0.5 + Math.random() / 2);
    await limits.sleep(Math.max(spread, error.retryDelayMs ?? 0));
  }
}

/**
 * Make a call that is safe to repeat until the daemon answers.
 *
 * @param reached - Whether the daemon was there before. If it was not, that it is not is told at once.
 */
export async function retrying<Result>(
  retry: Retry,
  limits: Limits,
  call: (options: CallOptions) => Promise<Result>,
  reached = true,
): Promise<Result> {
  const attempts = new Attempts(retry);
  for (let known = reached; ; known = true) {
    try {
      return await call(limits.options);
    } catch (error) {
      if (!(error instanceof UnavailableError)) {
        throw error;
      }
      if (error instanceof DaemonUnreachableError && !known) {
        throw error;
      }
      await attempts.failed(error, limits);
    }
  }
}
