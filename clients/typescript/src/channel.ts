/** The channel to one daemon: how it connects, what every call carries, and how it fails. */

import {
  type ChannelCredentials,
  type ChannelOptions,
  Client as GrpcClient,
  type ServiceError,
} from "@grpc/grpc-js";

import type { Address } from "./address.js";
import {
  ClientClosedError,
  ConnectionLostError,
  DaemonUnreachableError,
  type CallError,
  UnavailableError,
} from "./errors.js";
import { callError, failureOfCall } from "./status.js";

// What is on its way must be read anew when the connection breaks, so it must not be more than the
// daemon keeps behind a reader: half a ring, 512 KiB by default.
const WINDOW_BYTES = 128 * 1024;

const OPTIONS: ChannelOptions = {
  "grpc-node.flow_control_window": WINDOW_BYTES,
  "grpc.initial_reconnect_backoff_ms": 100,
  "grpc.max_reconnect_backoff_ms": 1000, // a daemon that was started again is found after this
  // Otherwise a new client shares the failed connection of an older one, and its waiting time.
  "grpc.use_local_subchannel_pool": 1,
  // A page of processes with long command lines may be larger than the 4 MiB that gRPC allows.
  "grpc.max_receive_message_length": -1,
  "grpc.service_config_disable_resolution": 1, // a daemon has none in DNS: one question less
};

const HOW_TO_REACH = "start one with 'hcsd serve', or name its address with HCSD_ADDRESS";

/** What grpc-js says of a call that has never had a connection. */
const NEVER_CONNECTED = /^(No connection established|Name resolution failed)/;

/** A call under way. */
interface Cancellable {
  cancel(): void;
}

/** An open channel. It connects at the first call, and again whenever the connection is gone. */
export class Channel {
  readonly grpc: GrpcClient;
  readonly #calls = new Set<Cancellable>();
  #closed = false;

  constructor(
    readonly address: Address,
    credentials: ChannelCredentials,
    /** Goes with every call. */
    readonly metadata: Readonly<Record<string, string>>,
  ) {
    this.grpc = new GrpcClient(target(address), credentials, {
      ...OPTIONS,
      ...(address.isLoopback && { "grpc.enable_http_proxy": 0 }),
    });
  }

  /** Close the connection; calls under way end with {@link ClientClosedError}. Idempotent. */
  close(): void {
    this.#closed = true;
    for (const call of this.#calls) {
      call.cancel();
    }
    this.grpc.close();
  }

  /** Refuse a call that is over before it has begun. */
  check(signal: AbortSignal | undefined): void {
    if (this.#closed) {
      throw new ClientClosedError("the client is closed");
    }
    signal?.throwIfAborted();
  }

  /** Cancel a call when the client is closed or the signal says so; return what ends that. */
  watch(call: Cancellable, signal: AbortSignal | undefined): () => void {
    const cancel = (): void => {
      call.cancel();
    };
    this.#calls.add(call);
    signal?.addEventListener("abort", cancel, { once: true });
    return () => {
      this.#calls.delete(call);
      signal?.removeEventListener("abort", cancel);
    };
  }

  /**
   * Return what to throw for what has ended a call.
   *
   * @param connected - Whether the daemon was there during the call.
   */
  translate(error: unknown, signal: AbortSignal | undefined, connected = false): unknown {
    if (signal?.aborted) {
      return signal.reason;
    }
    if (this.#closed) {
      return new ClientClosedError("the client is closed", { cause: error });
    }
    return isServiceError(error) ? this.#errorOf(error, connected) : error;
  }

  #errorOf(error: ServiceError, connected: boolean): CallError {
    const failure = failureOfCall(error);
    const found = callError(failure);
    if (!(found instanceof UnavailableError) || found.reason !== "") {
      return found;
    }
    // gRPC speaks, not the daemon.
    const where = this.address.toString();
    if (!connected && NEVER_CONNECTED.test(error.details)) {
      const message = `cannot reach a daemon at ${where}: ${causeIn(error.details)}; ${HOW_TO_REACH}`;
      return new DaemonUnreachableError({ ...failure, message });
    }
    const message = `lost the connection to the daemon at ${where}: ${error.details}`;
    return new ConnectionLostError({ ...failure, message });
  }
}

function isServiceError(error: unknown): error is ServiceError {
  return error instanceof Error && "details" in error && "metadata" in error;
}

/** Return the address as grpc-js takes it. */
function target(address: Address): string {
  return address.isUnix ? address.toString() : `dns:${address.toString()}`;
}

/** Shorten what grpc-js says of a failed connection to the system's own words. */
function causeIn(details: string): string {
  return details
    .replace(/^No connection established\. Last error: (Error: )?/, "")
    .replace(/\.? Resolution note:.*$/s, "")
    .replace(/ \(\d{4}-[^)]*Z\)$/, "");
}
