/** A process that has ended, and whether that is what its caller wanted. */

import { ProcessFailedError, ProcessTimeoutError } from "./errors.js";
import { ExitReason, type ProcessExit } from "./gen/hcsd/v1/process_pb.js";

const SHOWN = 200; // characters of stderr in a message

/** A process that has ended, and its output. */
export class Completed {
  /** @internal */
  constructor(
    /** Its resource name. */
    readonly name: string,
    /** How it ended. */
    readonly exit: ProcessExit,
    /** What it wrote to stdout; with a console, all output. */
    readonly stdout: Uint8Array,
    /** What it wrote to stderr. */
    readonly stderr: Uint8Array,
    /** Whether the begin of an output is missing, since it was too much for one answer of `exec`. */
    readonly truncated = false,
  ) {}

  /** Its exit code, 0 to 2**32-1; undefined if nobody can tell. */
  get exitCode(): number | undefined {
    const { outcome } = this.exit;
    return outcome.case === "exitCode" ? outcome.value : undefined;
  }

  /** Its stdout as text, from UTF-8; what is none is replaced by U+FFFD. */
  get stdoutText(): string {
    return new TextDecoder().decode(this.stdout);
  }

  /** Its stderr as text, in the same way. */
  get stderrText(): string {
    return new TextDecoder().decode(this.stderr);
  }

  /** Whether it was killed, since its `runTimeoutMs` were up. */
  get timedOut(): boolean {
    return this.exit.reason === ExitReason.RUN_TIMEOUT;
  }

  /**
   * Return this if the exit code is 0.
   *
   * @throws {@link ProcessTimeoutError} It was killed, since its time was up.
   * @throws {@link ProcessFailedError} It ended in another way.
   */
  check(): this {
    if (this.timedOut || this.exitCode !== 0) {
      throw new (this.timedOut ? ProcessTimeoutError : ProcessFailedError)(this.#message, this);
    }
    return this;
  }

  get #message(): string {
    const said = this.stderrText.trim().slice(-SHOWN);
    return `process '${this.name}' ${this.#ending}${said && `: ${said}`}`;
  }

  get #ending(): string {
    const { outcome } = this.exit;
    if (this.timedOut) {
      return "was killed, since its time was up";
    }
    switch (outcome.case) {
      case "exitCode":
        return `exited with code ${String(outcome.value)}`;
      case "startError":
        return `never started: ${outcome.value.message}`;
      default:
        return "has ended, and nobody can tell how";
    }
  }
}
