/** Turns, taken in the order in which they were asked for. */

import type { Limits } from "./limits.js";

export class Mutex {
  #last: Promise<unknown> = Promise.resolve();

  /** Do the work when all work before it is done; give up the turn if a bound is reached first. */
  async run<Result>(limits: Limits, work: () => Promise<Result>): Promise<Result> {
    const before = this.#last;
    let done: (() => void) | undefined;
    const turn = new Promise<void>((resolve) => {
      done = resolve;
    });
    this.#last = before.then(() => turn);
    try {
      await limits.race(before);
      return await work();
    } finally {
      done?.();
    }
  }
}
