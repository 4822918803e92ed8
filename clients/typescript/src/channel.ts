/** The channel to one daemon: how it connects, what every call carries, and how it fails. */

import { isIP } from "node:net";

import {
  type ChannelCredentials,
  type ChannelOptions,
  type ClientUnaryCall,
  Client as GrpcClient,
  connectivityState,
  type ServiceError,
  status,
} from "@grpc/grpc-js";

import type { Address } from "./address.js";
import type { Proof } from "./credentials.js";
import {
  ClientClosedError,
  ConnectionLostError,
  DaemonUnreachableError,
  type CallError,
  UnauthenticatedError,
  UnavailableError,
} from "./errors.js";
import { callError, failureOfCall } from "./status.js";
import { explain, neverConnected, shown, SILENCE } from "./unreachable.js";

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

const CONNECT_TIMEOUT_MS = 10_000; // for who listens and stays silent; grpc-js itself waits for ever

/** A call of any kind. */
type Call = Pick<ClientUnaryCall, "call" | "cancel">;

/** An open channel. It connects at the first call, and again whenever the connection is gone. */
export class Channel {
  readonly grpc: GrpcClient;
  readonly #calls = new Set<Call>();
  #closed = false;

  constructor(
    readonly address: Address,
    credentials: ChannelCredentials,
    /** The files that the credentials were made from; undefined for clear text. */
    private readonly files: Proof | undefined,
    /** Goes with every call. */
    readonly metadata: Readonly<Record<string, string>>,
  ) {
    this.grpc = new GrpcClient(target(address), credentials, {
      ...OPTIONS,
      ...(address.isLoopback && { "grpc.enable_http_proxy": 0 }),
      // Node warns of an IP address as the name to ask for. What the certificate must be for is not
      // decided by this, but by the credentials.
      ...(isIP(address.host) !== 0 && { "grpc.ssl_target_name_override": "localhost" }),
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

  /**
   * Cancel a call when the client is closed or the signal says so, and give it up when no connection
   * comes about; return what ends that.
   */
  watch(call: Call, signal: AbortSignal | undefined): () => void {
    const cancel = (): void => {
      call.cancel();
    };
    const timer = this.#isConnected
      ? undefined
      : setTimeout(() => {
          if (!this.#isConnected) {
            call.call?.cancelWithStatus(status.UNAVAILABLE, SILENCE);
          }
        }, CONNECT_TIMEOUT_MS);
    this.#calls.add(call);
    signal?.addEventListener("abort", cancel, { once: true });
    return () => {
      clearTimeout(timer);
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
    if (found instanceof UnauthenticatedError && !this.address.isUnix) {
      const message = `${found.message}; ${shown(this.files)}`;
      return new UnauthenticatedError({ ...failure, message });
    }
    if (!(found instanceof UnavailableError) || found.reason !== "") {
      return found;
    }
    // gRPC speaks, not the daemon.
    if (!connected && neverConnected(error.details)) {
      const message = explain(error.details, this.address, this.files);
      return new DaemonUnreachableError({ ...failure, message });
    }
    const where = this.address.toString();
    const message = `lost the connection to the daemon at ${where}: ${error.details}`;
    return new ConnectionLostError({ ...failure, message });
  }

  get #isConnected(): boolean {
    return this.grpc.getChannel().getConnectivityState(false) === connectivityState.READY;
  }
}

function isServiceError(error: unknown): error is ServiceError {
  return error instanceof Error && "details" in error && "metadata" in error;
}

/** Return the address as grpc-js takes it. */
function target(address: Address): string {
  return address.isUnix ? address.toString() : `dns:${address.toString()}`;
}
