/** The runner of the TypeScript client; the protocol is PROTOCOL.md, two folders up. */

import { createHash } from "node:crypto";
import { createInterface } from "node:readline";

import { Client, type EventWatch, type RemoteOutput, type RemoteProcess } from "hcsd";

import { completedOf, describe, endOf, exitOf, itemOf, UnsupportedError } from "./answers.js";
import { FEATURES } from "./features.js";
import {
  type Bounds,
  commandOf,
  contentOf,
  type Request,
  runOptions,
  type Table,
} from "./request.js";

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
  readonly messages: EventWatch;
  readonly left: AbortController;
}

const clients = new Map<string, Client>();
const logs = new Map<string, string[]>();
const processes = new Map<string, Held>();
const watches = new Map<string, Watch>();
const underWay = new Map<number, AbortController>();

/** By the names of the requests. */
const METHODS: Record<string, (request: Request, options: Bounds) => Promise<Table>> = {
  async connect(request) {
    const lines: string[] = [];
    const log = (line: string): void => {
      lines.push(line);
    };
    logs.set(request.as, lines);
    const options = {
      address: request.address,
      tokenFile: request.token_file,
      tlsCaFile: request.tls_ca_file,
      tlsCertFile: request.tls_cert_file,
      tlsKeyFile: request.tls_key_file,
      insecure: request.insecure,
      retry: request.attempts === undefined ? {} : { attempts: request.attempts },
      keepaliveMs: request.keepalive_ms,
      logger: { debug: log, info: log },
    };
    clients.set(request.as, await Client.connect(options));
    return {};
  },
  offers() {
    return Promise.resolve({ features: FEATURES });
  },
  log(request) {
    return Promise.resolve({ lines: [...get(logs, request.client)] });
  },
  disconnect(request) {
    get(clients, request.client).close();
    return Promise.resolve({});
  },
  async create(request, options) {
    const client = get(clients, request.client);
    return hold(request, await client.create(commandOf(request), runOptions(request, options)));
  },
  async run(request, options) {
    const client = get(clients, request.client);
    return hold(request, await client.run(commandOf(request), runOptions(request, options)));
  },
  async exec(request, options) {
    const { check, max_output_bytes: maxOutputBytes } = request;
    const input = await contentOf(request);
    const done = await get(clients, request.client).exec(commandOf(request), {
      ...runOptions(request, options),
      input,
      check,
      maxOutputBytes,
    });
    return { ...completedOf(done), truncated: done.truncated };
  },
  async lines(request, { signal, timeoutMs }) {
    const { last, until } = request;
    const since = request.since === undefined ? undefined : new Date(request.since);
    const lines: string[][] = [];
    const times: (number | undefined)[] = [];
    for await (const line of processOf(request).lines({ last, since, signal, timeoutMs })) {
      lines.push([line.stream, line.text]);
      times.push(line.time?.getTime());
      if (lines.length === until) {
        break;
      }
    }
    return { lines, times };
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
    return completedOf(await processOf(request).communicate(await contentOf(request), options));
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
