/** The client: a connection to one daemon, and the processes that it gives. */

import { randomUUID } from "node:crypto";

import { create, type MessageInitShape } from "@bufbuild/protobuf";
import { credentials } from "@grpc/grpc-js";

import { Address } from "./address.js";
import { Channel } from "./channel.js";
import { chooseProof, type ProofOptions, readToken, tlsCredentials } from "./credentials.js";
import { ComputeSystemService } from "./gen/hcsd/v1/compute_system_service_pb.js";
import { EventService, type WatchEventsResponse } from "./gen/hcsd/v1/event_service_pb.js";
import { HostService } from "./gen/hcsd/v1/host_service_pb.js";
import {
  OutputOptionsSchema,
  OverflowPolicy,
  type Process,
  type ProcessSpec,
  type ProcessState,
  StdinMode,
} from "./gen/hcsd/v1/process_pb.js";
import { ProcessService } from "./gen/hcsd/v1/process_service_pb.js";
import { Limits } from "./limits.js";
import { ALL_SYSTEMS, HOST_SYSTEM } from "./names.js";
import { OwnedProcess, RemoteProcess } from "./process.js";
import { type Command, makeSource } from "./requests.js";
import type { Responses } from "./responses.js";
import { DEFAULT_RETRY, type Retry, retrying } from "./retry.js";
import { present } from "./status.js";
import { type CallOptions, createStub, type Stub } from "./stubs.js";

const INCARNATION = "hcsd-incarnation";

/** How to reach a daemon. */
export interface ConnectOptions extends ProofOptions {
  /** Where it listens. Default: see `Address.default`. */
  readonly address?: Address | string | undefined;
  /** How process objects go on after a lost connection. */
  readonly retry?: Partial<Retry> | undefined;
}

/** How to create a process. */
export interface RunOptions extends CallOptions {
  /** Name of the system to run in. Default: {@link HOST_SYSTEM}. */
  readonly parent?: string | undefined;
  /** Give it a stdin to write to, as `StdinMode.PIPE` in the spec does. */
  readonly stdin?: boolean | undefined;
  /** Last part of its name. Default: issued by the daemon. */
  readonly processId?: string | undefined;
  /** Labels to store with it. */
  readonly labels?: Readonly<Record<string, string>> | undefined;
}

/** How to create a process that lives on its own. */
export interface CreateOptions extends RunOptions {
  /**
   * UUID that makes the call safe to repeat. Default: a new one, so that a call whose connection is lost
   * is repeated and starts one process.
   */
  readonly requestId?: string | undefined;
}

/** Which processes to list. */
export interface ListOptions extends CallOptions {
  /** Name of a system. Default: {@link ALL_SYSTEMS}. */
  readonly parent?: string | undefined;
  /** Only processes in one of these. */
  readonly states?: readonly ProcessState[] | undefined;
  /** Only processes with all of these. */
  readonly labels?: Readonly<Record<string, string>> | undefined;
  /** How many to ask for at once. Default: the daemon's. */
  readonly pageSize?: number | undefined;
}

/** Which events to watch. */
export interface WatchOptions extends CallOptions {
  /** Name of a system. Default: {@link ALL_SYSTEMS}. */
  readonly parent?: string | undefined;
  /**
   * Where to begin; 0 without an incarnation is with all that is kept. Default: with what happens from
   * now on.
   */
  readonly afterRevision?: bigint | undefined;
  /** What `afterRevision` belongs to. */
  readonly incarnation?: string | undefined;
  /** Begin with what there is now. */
  readonly snapshot?: boolean | undefined;
}

/**
 * A connection to one daemon.
 *
 * ```ts
 * using client = await Client.connect();
 * await using running = await client.run(["sh", "-c", "echo hello; exit 7"]);
 * for await (const data of running.stdout) process.stdout.write(data);
 * console.log((await running.wait()).outcome);
 * ```
 *
 * `run`, `create` and `open` give a process object, which goes on after a lost connection. `processes`,
 * `systems`, `events` and `host` are the calls of the contract, by the same names; each is made once. Names
 * are resource names, as `processName` makes them.
 *
 * It connects at the first call and never waits for a daemon that is not there.
 *
 * Every call takes an `AbortSignal` and a deadline; either only ends the wait for its answer: what the
 * daemon has begun, it completes. An aborted call throws the signal's reason.
 *
 * Every call may throw a `CallError` by one of its subclasses: `DaemonUnreachableError`,
 * `ConnectionLostError`, `UnavailableError`, `InvalidRequestError`, `UnauthenticatedError`,
 * `PermissionDeniedError`, `UnimplementedError`, `ResourceExhaustedError`, `DeadlineExceededError`,
 * `InternalError`; those named with a method come on top. A closed client throws `ClientClosedError`. No
 * error of gRPC gets out.
 */
export class Client implements Disposable {
  /** The calls about processes. */
  readonly processes: Stub<typeof ProcessService>;
  /** The calls about compute systems. */
  readonly systems: Stub<typeof ComputeSystemService>;
  /** The calls about events. */
  readonly events: Stub<typeof EventService>;
  /** The calls about the host and the daemon itself. */
  readonly host: Stub<typeof HostService>;
  readonly #channel: Channel;
  readonly #retry: Retry;

  private constructor(channel: Channel, retry: Retry) {
    this.#channel = channel;
    this.#retry = retry;
    this.processes = createStub(ProcessService, channel);
    this.systems = createStub(ComputeSystemService, channel);
    this.events = createStub(EventService, channel);
    this.host = createStub(HostService, channel);
  }

  /**
   * Return a client; it connects at its first call.
   *
   * @throws {@link AddressError} The address is none.
   * @throws {@link TokenFileError} The token cannot be read, or would be sent in clear.
   * @throws {@link TlsError} A certificate or key cannot be used, or is named for clear text.
   */
  static async connect(options: ConnectOptions = {}): Promise<Client> {
    const { address: at = Address.default() } = options;
    const address = typeof at === "string" ? Address.parse(at) : at;
    const files = address.isUnix ? undefined : chooseProof(options);
    const metadata: Record<string, string> = {};
    if (files?.tokenFile !== undefined) {
      metadata["authorization"] = `Bearer ${await readToken(files.tokenFile)}`;
    }
    const proof =
      files === undefined
        ? credentials.createInsecure()
        : await tlsCredentials(files, address.host);
    return new Client(new Channel(address, proof, files, metadata), {
      ...DEFAULT_RETRY,
      ...options.retry,
    });
  }

  /** Where the daemon listens. */
  get address(): Address {
    return this.#channel.address;
  }

  /** Close the connection; calls under way throw `ClientClosedError`. Idempotent. */
  close(): void {
    this.#channel.close();
  }

  [Symbol.dispose](): void {
    this.close();
  }

  /**
   * Start a process that lives on its own, with its output kept as in a log.
   *
   * Of each output the daemon keeps the last MiB, unless the spec says otherwise. Who reads too late
   * gets an `OutputEvictedError`, or see `RemoteProcess.output`.
   *
   * @throws `ExecutableNotFoundError` There is no such program.
   * @throws `NotFoundError` There is no such system or folder.
   * @throws `AlreadyExistsError` `processId` is taken.
   * @throws `RequestIdReusedError` `requestId` was used with another request.
   * @throws `FailedPreconditionError` The system is not running.
   * @throws TypeError The command is none.
   */
  async create(command: Command, options: CreateOptions = {}): Promise<RemoteProcess> {
    const created = await this.#create(command, options, () => undefined);
    return this.#hold(RemoteProcess, created, options.requestId ? undefined : 0n);
  }

  /**
   * Start a process that is for one scope alone; with `await using`, it is killed with its descendants at
   * the end.
   *
   * Nothing of its output is lost, however slowly it is read: as with a pipe, the process waits for who
   * reads it, unless the spec says otherwise.
   *
   * Arguments and errors are those of `create`.
   */
  async run(command: Command, options: RunOptions = {}): Promise<OwnedProcess> {
    const created = await this.#create(command, options, (spec) => {
      spec.output = blocking(spec.output);
    });
    return this.#hold(OwnedProcess, created, 0n);
  }

  /**
   * Return a process that was started before, by anyone.
   *
   * @throws `NotFoundError` There is no such process.
   */
  async open(name: string, options?: CallOptions): Promise<RemoteProcess> {
    const answer = await this.#first(options, (call) => this.processes.getProcess({ name }, call));
    return this.#hold(RemoteProcess, present(answer.process, "process"), undefined);
  }

  /**
   * Iterate over the processes of a system, or of all, in order of creation.
   *
   * @throws `NotFoundError` There is no such system.
   */
  async *list(options: ListOptions = {}): AsyncGenerator<Process, undefined> {
    const { parent = ALL_SYSTEMS, states = [], labels = {}, pageSize = 0 } = options;
    const limits = new Limits(options);
    for (let pageToken = ""; ;) {
      const request = {
        parent,
        states: [...states],
        labels: { ...labels },
        pageSize,
        pageToken,
      };
      const page = await this.processes.listProcesses(request, limits.options);
      yield* page.processes;
      pageToken = page.nextPageToken;
      if (pageToken === "") {
        return;
      }
    }
  }

  /**
   * Watch what happens to compute systems and processes, without an end.
   *
   * Each message has the revision and the incarnation to go on with after a lost connection. Watching
   * begins with the first message asked for.
   *
   * Iterating throws `NotFoundError`, there is no such system; `OutOfRangeError`, of which
   * `RevisionCompactedError` says that events after the revision are no longer kept, and others that it
   * belongs to another run of the daemon; and `SubscriberStalledError`, the caller has fallen too far
   * behind.
   */
  watchEvents(options: WatchOptions = {}): Responses<WatchEventsResponse> {
    const { parent = ALL_SYSTEMS, afterRevision, incarnation = "", snapshot = false } = options;
    const request: MessageInitShape<typeof EventService.method.watchEvents.input> = {
      parent,
      incarnation,
      sendSnapshot: snapshot,
      ...(afterRevision !== undefined && { afterRevision }),
    };
    return this.events.watchEvents(request, options);
  }

  async #create(
    command: Command,
    options: CreateOptions,
    change: (spec: ProcessSpec) => void,
  ): Promise<Process> {
    const request = {
      parent: options.parent ?? HOST_SYSTEM,
      source: makeSource(command, (spec) => {
        if (options.stdin) {
          spec.stdinMode = StdinMode.PIPE;
        }
        change(spec);
      }),
      processId: options.processId ?? "",
      labels: { ...options.labels },
      requestId: options.requestId || randomUUID(),
    };
    const answer = await this.#first(options, (call) =>
      this.processes.createProcess(request, call),
    );
    return present(answer.process, "process");
  }

  async #first<Result>(
    options: CallOptions | undefined,
    call: (options: CallOptions) => Promise<Result>,
  ): Promise<Result> {
    return await retrying(this.#retry, new Limits(options), call, false);
  }

  #hold<Held extends RemoteProcess>(
    Kind: new (...args: ConstructorParameters<typeof RemoteProcess>) => Held,
    process: Process,
    stdinOffset: bigint | undefined,
  ): Held {
    const pinned = { [INCARNATION]: process.incarnation };
    const processes = createStub(ProcessService, this.#channel, pinned);
    return new Kind(processes, process, this.#retry, stdinOffset);
  }
}

/** Return how to keep output for a process that waits for its readers. */
function blocking(output: ProcessSpec["output"]): NonNullable<ProcessSpec["output"]> {
  const options = output ?? create(OutputOptionsSchema);
  options.overflow ||= OverflowPolicy.BLOCK;
  return options;
}
