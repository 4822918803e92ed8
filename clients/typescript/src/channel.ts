/** The channel to one daemon: how it connects, what every call carries, and how it fails. */

import { isIP } from "node:net";

import {
  type ChannelCredentials,
  type ChannelOptions,
  type ClientUnaryCall,
  Client as GrpcClient,
  connectivityState,
  type Interceptor,
  type ServiceError,
  status,
} from "@grpc/grpc-js";

import type { Address } from "./address.js";
import type { Proof } from "./credentials.js";
import {
  type CallError,
  ClientClosedError,
  ConnectionLostError,
  DaemonUnreachableError,
  type StatusCode,
  UnauthenticatedError,
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

const MIN_PING_MS = 5000; // daemons take more frequent ones for an attack
const PONG_MS = 10_000;

/** How grpc-js begins to tell of a request that cannot be put into bytes. */
const NOT_SENT = "Request message serialization failure: ";

/** With these a failure that has no reason of the daemon is one of the way to it. */
const LOST: readonly StatusCode[] = ["UNAVAILABLE", "INTERNAL", "UNKNOWN", "CANCELLED"];

const CONNECT_TIMEOUT_MS = 10_000; // for who listens and stays silent; grpc-js itself waits for ever

/** A call of any kind. */
type Call = Pick<ClientUnaryCall, "call" | "cancel">;

/** What a channel is given beside the address and the proof. */
export interface ChannelSetup {
  /** Goes with every call. */
  readonly metadata: Readonly<Record<string, string>>;
  /** Silence after which a TCP connection is asked whether it is alive; 0: never. */
  readonly keepaliveMs: number;
  /** Those of the caller, the outermost first. */
  readonly interceptors: readonly Interceptor[];
  /** Those of the caller, which hold before any of ours. */
  readonly options: ChannelOptions;
}

/** An open channel. It connects at the first call, and again whenever the connection is gone. */
export class Channel {
  readonly metadata: Readonly<Record<string, string>>;
  readonly interceptors: readonly Interceptor[];
  readonly #open: () => GrpcClient;
  readonly #calls = new Set<Call>();
  #grpc: GrpcClient;
  #closed = false;
  #reached = false;

  constructor(
    readonly address: Address,
    credentials: ChannelCredentials,
    /** The files that the credentials were made from; undefined for clear text. */
    private readonly files: Proof | undefined,
    setup: ChannelSetup,
  ) {
    this.metadata = setup.metadata;
    this.interceptors = setup.interceptors;
    const options = {
      ...OPTIONS,
      ...(address.isLoopback && { "grpc.enable_http_proxy": 0 }),
      // Node warns of an IP address as the name to ask for. What the certificate must be for is not
      // decided by this, but by the credentials.
      ...(isIP(address.host) !== 0 && { "grpc.ssl_target_name_override": "localhost" }),
      ...(!address.isUnix && pings(setup.keepaliveMs)),
      ...setup.options,
    };
    this.#open = () =>
      new GrpcClient(target(address), credentials, {
        ...options,
        interceptors: [...setup.interceptors],
      });
    this.#grpc = this.#open();
  }

  /** What makes calls now. */
  get grpc(): GrpcClient {
    return this.#grpc;
  }

  /** Whether a daemon was there before. If none was, that none is there is told at once. */
  get isReached(): boolean {
    return this.#reached;
  }

  /** Take note of an answer. */
  reached(): void {
    this.#reached = true;
  }

  /** Give up what has turned out to be dead, so that the next call connects anew. */
  abandon(grpc: GrpcClient): void {
    if (grpc === this.#grpc && !this.#closed) {
      this.#grpc = this.#open();
      grpc.close(); // what is under way there goes on, if it can
    }
  }

  /** Close the connection; calls under way end with {@link ClientClosedError}. Idempotent. */
  close(): void {
    this.#closed = true;
    for (const call of this.#calls) {
      call.cancel();
    }
    this.#grpc.close();
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
    const grpc = this.#grpc;
    const timer = isConnected(grpc)
      ? undefined
      : setTimeout(() => {
          if (grpc === this.#grpc && !isConnected(grpc)) {
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
    if (!isServiceError(error)) {
      return error;
    }
    return error.details.startsWith(NOT_SENT)
      ? new TypeError(error.details.slice(NOT_SENT.length), { cause: error })
      : this.#errorOf(error, connected);
  }

  #errorOf(error: ServiceError, connected: boolean): CallError {
    const failure = failureOfCall(error);
    const found = callError(failure);
    if (found instanceof UnauthenticatedError && !this.address.isUnix) {
      const message = `${found.message}; ${shown(this.files)}`;
      return new UnauthenticatedError({ ...failure, message });
    }
    if (found.reason !== "" || !LOST.includes(found.code)) {
      this.#reached = true;
      return found;
    }
    // gRPC speaks, or a proxy, and not the daemon.
    if (!connected && neverConnected(error.details)) {
      const message = explain(error.details, this.address, this.files);
      return new DaemonUnreachableError({ ...failure, message });
    }
    return this.lost(error.details, error);
  }

  /** Return the error that says that the connection was lost. */
  lost(why: string, cause?: unknown): ConnectionLostError {
    this.#reached = true;
    const message = `lost the connection to the daemon at ${this.address.toString()}: ${why}`;
    return new ConnectionLostError({ code: "UNAVAILABLE", message, cause });
  }
}

function isConnected(grpc: GrpcClient): boolean {
  return grpc.getChannel().getConnectivityState(false) === connectivityState.READY;
}

function isServiceError(error: unknown): error is ServiceError {
  return error instanceof Error && "details" in error && "metadata" in error;
}

/** Return how grpc-js is to notice a connection that is dead. */
function pings(keepaliveMs: number): ChannelOptions {
  return keepaliveMs === 0
    ? {}
    : {
        "grpc.keepalive_time_ms": Math.max(keepaliveMs, MIN_PING_MS),
        "grpc.keepalive_timeout_ms": PONG_MS,
        "grpc.keepalive_permit_without_calls": 1,
      };
}

/** Return the address as grpc-js takes it. */
function target(address: Address): string {
  return address.isUnix ? address.toString() : `dns:${address.toString()}`;
}
