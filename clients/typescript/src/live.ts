/**
 * Streams whose silence is noticed.
 *
 *     state     event                                            next
 *     ASKED     the first message                                HEARD
 *     ASKED     silence, for longer than an answer takes         LOST
 *     HEARD     silence, if the daemon sends heartbeats          LOST
 *
 * A daemon that knows no heartbeats may be silent for as long as it likes once it is HEARD. One that knows
 * them has sent one, or has told of a process with the options that came with them. The clock runs only
 * while a message is waited for. It counts ticks instead of time, so a program that was held up itself takes
 * nobody for lost.
 */

import type { Responses } from "./responses.js";
import type { Session } from "./session.js";

const TICKS = 8;
const FIRST_MESSAGE_MS = 10_000; // for the first message, beyond the silence that is allowed later

/** The messages of one call. */
export class LiveStream<Message> {
  #heard = false;

  constructor(
    private readonly session: Session,
    private readonly messages: Responses<Message>,
    private readonly isHeartbeat: (message: Message) => boolean,
  ) {}

  /**
   * Return the next message; undefined at the end.
   *
   * @throws ConnectionLostError Also if nothing came for too long.
   */
  async next(): Promise<Message | undefined> {
    const limitMs = this.#limitMs;
    const clock = { ticks: 0 };
    const tick = (): void => {
      clock.ticks += 1;
      if (clock.ticks === TICKS) {
        this.messages.abandon();
      }
    };
    const timer = limitMs === undefined ? undefined : setInterval(tick, limitMs / TICKS);
    try {
      const result = await this.messages.next();
      if (clock.ticks >= TICKS) {
        throw this.session.channel.lost(`it was silent for ${String(limitMs)} ms`);
      }
      if (result.done) {
        return undefined;
      }
      this.#heard = true;
      this.session.beats ||= this.isHeartbeat(result.value);
      return result.value;
    } finally {
      clearInterval(timer);
    }
  }

  /** End the call; idempotent. */
  leave(): void {
    void this.messages.return();
  }

  get #limitMs(): number | undefined {
    const { silenceMs } = this.session;
    if (silenceMs === undefined) {
      return undefined;
    }
    if (!this.#heard) {
      return silenceMs + FIRST_MESSAGE_MS;
    }
    return this.session.beats ? silenceMs : undefined;
  }
}
