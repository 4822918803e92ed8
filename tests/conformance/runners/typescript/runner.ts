/** The runner of the TypeScript client; the protocol is PROTOCOL.md, two folders up. */

import { createHash } from "node:crypto";
import { readFile } from "node:fs/promises";
import { createInterface } from "node:readline";

import {
  CallError,
  type CallOptions,
  Client,
  ClientClosedError,
  type Command,
  type CreateOptions,
  HcsdError,
  type RemoteOutput,
  type RemoteProcess,
  type Responses,
} from "hcsd";
import {
  type DeleteProcessResponse,
  OverflowPolicy,
  type ProcessExit,
  type TerminateProcessResponse,
  type TerminateScope,
  type WatchEventsResponse,
} from "hcsd/v1";

/** The arguments of all requests; what a request requires is there. */
interface Request {
  readonly id: number;
  readonly do: string;
  readonly as: string;
  readonly client: string;
  readonly process: string;
  readonly watch: string;
  readonly request: number;
  readonly deadline_ms?: number;
  readonly address: string;
  readonly token_file?: string;
  readonly tls_ca_file?: string;
  readonly tls_cert_file?: string;
  readonly tls_key_file?: string;
  readonly insecure?: boolean;
  readonly attempts?: number;
  readonly argv?: string[];
  readonly parameters_json?: string;
  readonly parent?: string;
  readonly stdin?: boolean;
  readonly console?: { columns: number; rows: number };
  readonly process_id?: string;
  readonly request_id?: string;
  readonly ring_bytes?: number;
  readonly block?: boolean;
  readonly name: string;
  readonly stream?: "stdout" | "stderr";
  readonly until?: number;
  readonly file?: string;
  readonly text?: string;
  readonly signal: string | number;
  readonly grace_ms?: number;
  readonly scope?: TerminateScope;
  readonly columns: number;
  readonly rows: number;
  readonly force?: boolean;
  readonly after_revision?: number;
  readonly incarnation?: string;
  readonly snapshot?: boolean;
}

type Table = Record<string, unknown>;

/** A request that this runner does not know. */
class UnsupportedError extends Error {}

/** What an output has given since its process object was made. */
class Digest {
  #count = 0;
  readonly #sha256 = createHash("sha256");

  constructor(private readonly output: RemoteOutput) {}

  async read(until: number | undefined, signal: AbortSignal, deadline: number): Promise<Table> {
    let ended = false;
    while (!ended && (until === undefined || this.#count < until)) {
      const data = await this.output.receive({ signal, timeoutMs: deadline - performance.now() });
      ended = data === undefined;
      this.#count += data?.length ?? 0;
      this.#sha256.update(data ?? "");
    }
    return { bytes: this.#count, sha256: this.#sha256.copy().digest("hex"), ended };
  }
}

class Held {
  readonly stdout: Digest;
  readonly stderr: Digest;

  constructor(readonly process: RemoteProcess) {
    this.stdout = new Digest(process.stdout);
    this.stderr = new Digest(process.stderr);
  }
}

interface Watch {
  readonly messages: Responses<WatchEventsResponse>;
  readonly left: AbortController;
}

const clients = new Map<string, Client>();
const processes = new Map<string, Held>();
const watches = new Map<string, Watch>();
const underWay = new Map<number, AbortController>();

/** By the names of the requests. */
const METHODS: Record<string, (request: Request, options: Bounds) => Promise<Table>> = {
  async connect(request) {
    const options = {
      address: request.address,
      tokenFile: request.token_file,
      tlsCaFile: request.tls_ca_file,
      tlsCertFile: request.tls_cert_file,
      tlsKeyFile: request.tls_key_file,
      insecure: request.insecure,
      retry: request.attempts === undefined ? {} : { attempts: request.attempts },
    };
    clients.set(request.as, await Client.connect(options));
    return {};
  },
  disconnect(request) {
    get(clients, request.client).close();
    return Promise.resolve({});
  },
  async create(request, options) {
    const client = get(clients, request.client);
    return hold(request, await client.create(commandOf(request), createOptions(request, options)));
  },
  async run(request, options) {
    const client = get(clients, request.client);
    return hold(request, await client.run(commandOf(request), createOptions(request, options)));
  },
  async leave(request) {
    await processOf(request)[Symbol.asyncDispose]();
    return {};
  },
  async open(request, options) {
    return hold(request, await get(clients, request.client).open(request.name, options));
  },
  async get(request, options) {
    const { name, state, stdin } = await processOf(request).get(options);
    return { name, state, stdin_offset: Number(stdin?.endOffset) };
  },
  async read(request, { signal, deadline }) {
    const digest = get(processes, request.process)[request.stream ?? "stdout"];
    return await digest.read(request.until, signal, deadline);
  },
  async write(request, options) {
    await processOf(request).stdin.write(await contentOf(request), options);
    return {};
  },
  async committed(request, options) {
    return { offset: Number(await processOf(request).stdin.committed(options)) };
  },
  async close_stdin(request, options) {
    await processOf(request).stdin.close(options);
    return {};
  },
  async communicate(request, options) {
    const done = await processOf(request).communicate(await contentOf(request), options);
    const { stdout, stderr } = done;
    return { exit: exitOf(done.exit), stdout: digestOf(stdout), stderr: digestOf(stderr) };
  },
  async wait(request, options) {
    return { exit: exitOf(await processOf(request).wait(options)) };
  },
  async signal(request, options) {
    return { delivery: await processOf(request).signal(request.signal, options) };
  },
  async terminate(request, options) {
    const { grace_ms: gracePeriodMs, scope } = request;
    return endOf(await processOf(request).terminate({ ...options, gracePeriodMs, scope }));
  },
  async resize(request, options) {
    await processOf(request).resize(request.columns, request.rows, options);
    return {};
  },
  async delete(request, options) {
    const { force, scope } = request;
    return endOf(await processOf(request).delete({ ...options, force, scope }));
  },
  async list({ client, parent }, options) {
    const names: string[] = [];
    for await (const process of get(clients, client).list({ ...options, parent })) {
      names.push(process.name);
    }
    return { names };
  },
  watch(request) {
    const { parent, after_revision: revision, incarnation, snapshot } = request;
    const left = new AbortController();
    const afterRevision = revision === undefined ? undefined : BigInt(revision);
    const options = { parent, afterRevision, incarnation, snapshot, signal: left.signal };
    watches.set(request.as, {
      messages: get(clients, request.client).watchEvents(options),
      left,
    });
    return Promise.resolve({});
  },
  async next(request, { signal }) {
    const { messages, left } = get(watches, request.watch);
    signal.addEventListener("abort", () => {
      left.abort(signal.reason);
    });
    return itemOf((await messages.next()).value);
  },
  async unwatch(request) {
    await get(watches, request.watch).messages.return();
    return {};
  },
  cancel(request) {
    underWay.get(request.request)?.abort();
    return Promise.resolve({});
  },
};

/** What bounds one request. */
interface Bounds extends CallOptions {
  readonly signal: AbortSignal;
  /** On the clock of `performance.now`. */
  readonly deadline: number;
}

function get<Value>(values: Map<string, Value>, name: string): Value {
  const found = values.get(name);
  if (found === undefined) {
    throw new Error(`there is no '${name}'`);
  }
  return found;
}

function processOf(request: Request): RemoteProcess {
  return get(processes, request.process).process;
}

function hold(request: Request, process: RemoteProcess): Table {
  processes.set(request.as, new Held(process));
  return { name: process.name, uid: process.uid, pid: process.pid };
}

function commandOf(request: Request): Command {
  const { argv, parameters_json: parametersJson, console, ring_bytes: ringBytes = 0 } = request;
  const spec = argv && {
    command: { case: "argv" as const, value: { args: argv } },
    output: {
      ringBytes: BigInt(ringBytes),
      overflow: request.block ? OverflowPolicy.BLOCK : OverflowPolicy.UNSPECIFIED,
    },
    ...(console && { console }),
  };
  // Neither or both is for the library to refuse.
  return { ...spec, ...(parametersJson !== undefined && { parametersJson }) };
}

function createOptions(request: Request, options: Bounds): CreateOptions {
  const { parent, stdin, process_id: processId, request_id: requestId } = request;
  return { ...options, parent, stdin, processId, requestId };
}

async function contentOf({ file, text = "" }: Request): Promise<Uint8Array | string> {
  return file === undefined ? text : await readFile(file);
}

function digestOf(data: Uint8Array): Table {
  return { bytes: data.length, sha256: createHash("sha256").update(data).digest("hex") };
}

function endOf(answer: TerminateProcessResponse | DeleteProcessResponse): Table {
  return { scope_applied: answer.scopeApplied, descendants_killed: answer.descendantsKilled };
}

function exitOf({ outcome, signal, reason }: ProcessExit): Table {
  switch (outcome.case) {
    case "exitCode":
      return { signal, reason, exit_code: outcome.value };
    case "startError":
      return { signal, reason, start_error: outcome.value.hresult };
    case "unknown":
      return { signal, reason, unknown: outcome.value.hresult };
    default:
      return { signal, reason };
  }
}

function itemOf(message: WatchEventsResponse | undefined): Table {
  const item = message?.item;
  if (item?.case === undefined) {
    return { item: "unknown" };
  }
  const { revision, incarnation } = item.value;
  const table = { item: item.case, revision: Number(revision), incarnation };
  if (item.case !== "event" || item.value.event.case !== "process") {
    return table;
  }
  const { type, process } = item.value.event.value;
  return { ...table, type, process: process?.name, state: process?.state };
}

/** Return an error as the protocol has it. */
function describe(error: unknown): Table {
  if (!(error instanceof Error)) {
    return { class: "unexpected", type: typeof error, message: String(error) };
  }
  const table = { class: classOf(error), type: error.name, message: error.message };
  if (!(error instanceof CallError)) {
    return table;
  }
  const { code, reason, hresult, metadata, violations } = error;
  return { ...table, code, reason, hresult, metadata, violations };
}

function classOf(error: Error): string {
  if (error instanceof ClientClosedError) {
    return "Closed";
  }
  if (error instanceof HcsdError || error instanceof UnsupportedError) {
    return error.constructor.name.replace(/Error$/, "");
  }
  if (error.name === "AbortError") {
    return "Cancelled";
  }
  return error instanceof TypeError || error instanceof RangeError ? "Usage" : "unexpected";
}

async function serve(request: Request): Promise<Table> {
  const controller = new AbortController();
  underWay.set(request.id, controller);
  const { deadline_ms: timeoutMs = Infinity } = request;
  const bounds = {
    signal: controller.signal,
    timeoutMs,
    deadline: performance.now() + timeoutMs,
  };
  try {
    const method = METHODS[request.do];
    if (method === undefined) {
      throw new UnsupportedError(request.do);
    }
    return { id: request.id, ok: await method(request, bounds) };
  } catch (error) {
    return { id: request.id, error: describe(error) };
  } finally {
    underWay.delete(request.id);
  }
}

for await (const line of createInterface({ input: process.stdin })) {
  void serve(JSON.parse(line) as Request).then((response) => {
    process.stdout.write(`${JSON.stringify(response)}\n`);
  });
}
process.exit();
