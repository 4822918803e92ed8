/**
 * Long waits, asked for in pieces.
 *
 * An answer that is long in coming looks to a proxy like a connection that nobody uses, and a connection
 * that was cut without a word looks to a client like such an answer. So the daemon is asked to answer after
 * a while in any case, and asked again. A piece that was lost makes the next ones shorter than the time
 * that it had.
 */

import { type Duration, durationFromMs } from "@bufbuild/protobuf/wkt";

import { ConnectionLostError, DeadlineExceededError, UnavailableError } from "./errors.js";
import type { Limits } from "./limits.js";
import { Attempts } from "./retry.js";
import { MIN_PIECE_MS, type Session } from "./session.js";
import type { CallOptions } from "./stubs.js";

const ANSWER_MS = 10_000; // for the answer, beyond the piece

/** One wait. */
export class Pieces {
  #ms: number;

  constructor(private readonly session: Session) {
    this.#ms = session.pieceMs;
  }

  /**
   * Ask for one piece.
   *
   * @throws ConnectionLostError Also if the answer did not come in time, unless the caller's own deadline
   * was up before.
   */
  async ask<Answer>(
    limits: Limits,
    call: (timeout: Duration, options: CallOptions) => Promise<Answer>,
  ): Promise<Answer> {
    const { channel, pieceMs } = this.session;
    const connection = channel.grpc;
    const allowed = this.#ms + ANSWER_MS;
    const isOurs = limits.remainingMs > allowed;
    const options = isOurs ? { ...limits.options, timeoutMs: allowed } : limits.options;
    const begun = performance.now();
    try {
      return await call(durationFromMs(Math.ceil(this.#ms)), options);
    } catch (error) {
      let found = error;
      if (isOurs && error instanceof DeadlineExceededError && error.reason === "") {
        channel.abandon(connection);
        found = channel.lost(`no answer came for ${String(Math.ceil(allowed))} ms`, error);
      }
      if (found instanceof ConnectionLostError) {
        this.#ms = Math.min(pieceMs, Math.max(MIN_PIECE_MS, (performance.now() - begun) / 2));
      }
      throw found;
    }
  }
}

/** Ask in pieces, and again after lost connections, until there is more than `timedOut` in an answer. */
export async function inPieces<Answer extends { readonly timedOut: boolean }>(
  session: Session,
  what: string,
  limits: Limits,
  call: (timeout: Duration, options: CallOptions) => Promise<Answer>,
): Promise<Answer> {
  const attempts = new Attempts(session, what);
  const pieces = new Pieces(session);
  for (;;) {
    try {
      const answer = await pieces.ask(limits, call);
      attempts.succeeded();
      if (!answer.timedOut) {
        return answer;
      }
    } catch (error) {
      if (!(error instanceof UnavailableError)) {
        throw error;
      }
      await attempts.failed(error, limits);
    }
  }
}
