/** A process that ends with the scope that it is for. */

import { OrphanPolicy } from "./gen/hcsd/v1/process_pb.js";
import { Ownership } from "./owner.js";
import { RemoteProcess } from "./process.js";

const LEAVE_TIMEOUT_MS = 5000; // to end a process that is left; arbitrary

/**
 * A process that is for one scope alone, as `Client.run` returns it.
 *
 * With `await using` it is killed at the end, with its descendants, also if it has exited and they have
 * not. If this program is killed, the daemon kills them after the `ownerGraceMs` of the options.
 */
export class OwnedProcess extends RemoteProcess {
  readonly #ownership: Ownership | undefined;

  /** @internal */
  constructor(...args: ConstructorParameters<typeof RemoteProcess>) {
    super(...args);
    const [session, processes, process] = args;
    // A daemon that knows no owners has no options, either; to it the call would be one more reader.
    if (process.options?.orphanPolicy === OrphanPolicy.KILL_ON_OWNER_DISCONNECT) {
      this.#ownership = new Ownership(session, processes, process);
    }
  }

  /** Kill the process and its descendants, for 5 s at the most; what goes wrong is not thrown. */
  override async [Symbol.asyncDispose](): Promise<void> {
    try {
      await this.terminate({ timeoutMs: LEAVE_TIMEOUT_MS });
    } catch {
      // What went wrong in the scope counts for more, and a lost daemon has no process either.
    }
    await this.#ownership?.leave();
    await super[Symbol.asyncDispose]();
  }
}
