/** The client: a connection to one daemon, and the processes that it gives. */

import { credentials } from "@grpc/grpc-js";

import { Address } from "./address.js";
import { Channel } from "./channel.js";
import { chooseProof, readToken, tlsCredentials } from "./credentials.js";
import { Completed } from "./completed.js";
import { Creator, INCARNATION } from "./creator.js";
import { EventWatch } from "./events.js";
import { ComputeSystemService } from "./gen/hcsd/v1/compute_system_service_pb.js";
import { EventService } from "./gen/hcsd/v1/event_service_pb.js";
import { HostService } from "./gen/hcsd/v1/host_service_pb.js";
import type { Process } from "./gen/hcsd/v1/process_pb.js";
import { ProcessService } from "./gen/hcsd/v1/process_service_pb.js";
import { Limits } from "./limits.js";
import { ALL_SYSTEMS } from "./names.js";
import type {
  ConnectOptions,
  CreateOptions,
  ExecOptions,
  ListOptions,
  RunOptions,
  WatchOptions,
} from "./options.js";
import { OwnedProcess } from "./owned-process.js";
import { RemoteProcess } from "./process.js";
import { type Command, makeExecRequest, makeRequest, makeRunRequest } from "./requests.js";
import { retrying } from "./retry.js";
import { checkKeepalive, DEFAULT_KEEPALIVE_MS, DEFAULT_RETRY, Session } from "./session.js";
import { present } from "./status.js";
import { type CallOptions, createStub, type Stub } from "./stubs.js";

/**
 * A connection to one daemon.
 *
 * ```ts
 * using client = await Client.connect();
 * const { exitCode, stdoutText } = await client.exec(["uname", "-a"]);
 * await using running = await client.run(["sh", "-c", "echo hello; exit 7"]);
 * const { stdout, stderr, exit } = await running.communicate();
 * ```
 *
 * A process that is run waits for its readers, so read both of its outputs, as `communicate` does, or
 * leave one out with `discard` or `stderrToStdout`: who reads only one of them waits for ever once the
 * other is full.
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
  readonly #session: Session;
  readonly #creator: Creator;

  private constructor(session: Session) {
    const { channel } = session;
    this.#session = session;
    this.processes = createStub(ProcessService, channel);
    this.systems = createStub(ComputeSystemService, channel);
    this.events = createStub(EventService, channel);
    this.host = createStub(HostService, channel);
    this.#creator = new Creator(session, this.processes, this.host);
  }

  /**
   * Return a client; it connects at its first call.
   *
   * @throws {@link AddressError} The address is none.
   * @throws {@link TokenFileError} The token cannot be read, or would be sent in clear.
   * @throws {@link TlsError} A certificate or key cannot be used, or is named for clear text.
   * @throws RangeError `keepaliveMs` is no time.
   */
  static async connect(options: ConnectOptions = {}): Promise<Client> {
    const { address: at = Address.default() } = options;
    const keepaliveMs = checkKeepalive(options.keepaliveMs ?? DEFAULT_KEEPALIVE_MS);
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
    const channel = new Channel(address, proof, files, {
      metadata,
      keepaliveMs,
      interceptors: options.interceptors ?? [],
      options: options.channelOptions ?? {},
    });
    const retry = { ...DEFAULT_RETRY, ...options.retry };
    return new Client(new Session(channel, retry, keepaliveMs, options.logger));
  }

  /** Where the daemon listens. */
  get address(): Address {
    return this.#session.channel.address;
  }

  /** Close the connection; calls under way throw `ClientClosedError`. Idempotent. */
  close(): void {
    this.#session.channel.close();
  }

  [Symbol.dispose](): void {
    this.close();
  }

  /**
   * Start a process that lives on its own, with its output kept as in a log.
   *
   * Of each output the daemon keeps the last MiB, unless the options say otherwise. Who reads too late
   * gets an `OutputEvictedError`, or see `RemoteProcess.output`.
   *
   * A lost connection never runs the command twice. If the daemon has lost its state meanwhile and may have
   * run it before, that is a `DaemonRestartedError`.
   *
   * @throws `ExecutableNotFoundError` There is no such program.
   * @throws `NotFoundError` There is no such system.
   * @throws `InvalidRequestError` A field is wrong; there is no such folder as `cwd`.
   * @throws `AlreadyExistsError` `processId` is taken.
   * @throws `RequestIdReusedError` `requestId` was used with another request.
   * @throws `FailedPreconditionError` The system is not running.
   * @throws `DaemonRestartedError` See above.
   * @throws TypeError The command is none, or an option is not for it.
   * @throws RangeError An option is no number of bytes or milliseconds.
   */
  async create(command: Command, options: CreateOptions = {}): Promise<RemoteProcess> {
    const created = await this.#creator.create(makeRequest(command, options), options);
    return this.#hold(RemoteProcess, created, options.requestId ? undefined : 0n);
  }

  /**
   * Start a process that is for one scope alone; with `await using`, it is killed with its descendants at
   * the end. If this program is gone before, or the daemon cannot hear of it, they are killed
   * `ownerGraceMs` later. Like a child of Node it keeps the program running until it ends or is left.
   *
   * Nothing of its output is lost, however slowly it is read: as with a pipe, the process waits for who
   * reads it, unless the options say otherwise.
   *
   * Arguments and errors are those of `create`.
   */
  async run(command: Command, options: RunOptions = {}): Promise<OwnedProcess> {
    const created = await this.#creator.create(makeRunRequest(command, options), options);
    return this.#hold(OwnedProcess, created, 0n);
  }

  /**
   * Run a command to its end, and return how it ended and what it wrote.
   *
   * Of each output there is the last MiB; `run` and `communicate` have no such limit. `runTimeoutMs` bounds the
   * process. If the call itself ends before, by its signal or `timeoutMs`, or the program does, the process is killed
   * with its descendants `ownerGraceMs` later.
   *
   * A lost connection shows only as a pause, and the command is run once, as with `create`.
   *
   * @throws `ProcessTimeoutError` It was killed, since its `runTimeoutMs` were up.
   * @throws `ProcessFailedError` See `check`.
   * @throws `UnimplementedError` The daemon is older than this call.
   * And those of `create`.
   */
  async exec(command: Command, options: ExecOptions = {}): Promise<Completed> {
    const answer = await this.#creator.exec(makeExecRequest(command, options), options);
    const process = present(answer.process, "process");
    const { data: stdout, endOffset: written } = present(answer.stdout, "stdout");
    const { data: stderr, endOffset: reported } = present(answer.stderr, "stderr");
    const truncated = written > stdout.length || reported > stderr.length;
    const exit = present(process.exit, "process.exit");
    const completed = new Completed(process.name, exit, stdout, stderr, truncated);
    return options.check || completed.timedOut ? completed.check() : completed;
  }

  /**
   * Return a process that was started before, by anyone.
   *
   * @throws `NotFoundError` There is no such process.
   */
  async open(name: string, options?: CallOptions): Promise<RemoteProcess> {
    const answer = await retrying(
      this.#session,
      `GetProcess of ${name}`,
      new Limits(options),
      (call) => this.processes.getProcess({ name }, call),
    );
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
      const page = await retrying(this.#session, "ListProcesses", limits, (call) =>
        this.processes.listProcesses(request, call),
      );
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
   * It goes on after lost connections, with each event once, and with a snapshot also where the daemon
   * has lost its state: see `EventWatch`. Each message has the revision and the incarnation by which another watch
   * can go on. Watching begins with the first message asked for.
   *
   * Iterating throws `NotFoundError`, there is no such system. Without a snapshot it also throws
   * `DaemonRestartedError`, the daemon has lost the state of the revision, with all processes;
   * `RevisionCompactedError`, events after it are no longer kept; and `SubscriberStalledError`, the caller
   * has fallen too far behind.
   */
  watchEvents(options: WatchOptions = {}): EventWatch {
    return new EventWatch(this.#session, this.events, options);
  }

  #hold<Held extends RemoteProcess>(
    Kind: new (...args: ConstructorParameters<typeof RemoteProcess>) => Held,
    process: Process,
    stdinOffset: bigint | undefined,
  ): Held {
    this.#creator.note(process.incarnation);
    const pinned = { [INCARNATION]: process.incarnation };
    const processes = createStub(ProcessService, this.#session.channel, pinned);
    return new Kind(this.#session, processes, process, stdinOffset);
  }
}
