/** Trying again while the daemon is out of reach. */

import { type CallError, DaemonUnreachableError, UnavailableError } from "./errors.js";
import type { Limits } from "./limits.js";
import type { Session } from "./session.js";
import type { CallOptions } from "./stubs.js";

/** The attempts of one task after the last word from the daemon. */
export class Attempts {
  #failed = 0;

  /**
   * @param what - Names the task in the log.
   * @param endless - Whether it goes on until it is stopped.
   */
  constructor(
    private readonly session: Session,
    private readonly what: string,
    private readonly endless = false,
  ) {}

  /** Note a word from the daemon. */
  succeeded(): void {
    if (this.#failed > 0) {
      this.session.logger?.info(`${this.what} goes on, after ${String(this.#failed)} failures`);
    }
    this.#failed = 0;
  }

  /** Wait before the next attempt; throw the error given if there is to be none. */
  async failed(error: CallError, limits: Limits): Promise<void> {
    const { retry, logger } = this.session;
    if (!this.endless && this.#failed >= retry.attempts) {
      logger?.info(`${this.what} failed for good: ${error.message}`);
      throw error;
    }
    const delay = Math.min(retry.firstDelayMs * 2 ** this.#failed, retry.maxDelayMs);
    this.#failed += 1;
    // The random part keeps many clients from coming back in step.
    const spread = delay * (0.5 + Math.random() / 2);
    const pause = Math.max(spread, error.retryDelayMs ?? 0);
    logger?.info(
      `${this.what} failed: ${error.message}; attempt ${String(this.#failed)} of ` +
        `${String(retry.attempts)} comes in ${pause.toFixed(0)} ms`,
    );
    await limits.sleep(pause);
  }
}

/**
 * Make a call that is safe to repeat until the daemon answers. If there has never been one, that is told at
 * once.
 *
 * @param what - Names the call in the log.
 */
export async function retrying<Result>(
  session: Session,
  what: string,
  limits: Limits,
  call: (options: CallOptions) => Promise<Result>,
): Promise<Result> {
  return await repeated(session, what, limits, call, UnavailableError);
}

/**
 * Make a call that must not happen twice: again only while no daemon can have got it.
 *
 * @param what - Names the call in the log.
 */
export async function sentOnce<Result>(
  session: Session,
  what: string,
  limits: Limits,
  call: (options: CallOptions) => Promise<Result>,
): Promise<Result> {
  return await repeated(session, what, limits, call, DaemonUnreachableError);
}

async function repeated<Result>(
  session: Session,
  what: string,
  limits: Limits,
  call: (options: CallOptions) => Promise<Result>,
  Passing: typeof UnavailableError,
): Promise<Result> {
  const attempts = new Attempts(session, what);
  for (;;) {
    try {
      const result = await call(limits.options);
      attempts.succeeded();
      return result;
    } catch (error) {
      if (!(error instanceof Passing)) {
        throw error;
      }
      if (error instanceof DaemonUnreachableError && !session.channel.isReached) {
        throw error;
      }
      await attempts.failed(error, limits);
    }
  }
}
