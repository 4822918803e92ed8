/** From what callers write to the messages of the contract. */

import { clone, create, type MessageInitShape } from "@bufbuild/protobuf";
import { type Duration, durationFromMs } from "@bufbuild/protobuf/wkt";

import {
  OrphanPolicy,
  OutputOptionsSchema,
  OutputStream,
  OverflowPolicy,
  type ProcessOptions,
  ProcessOptionsSchema,
  ProcessSignalSchema,
  type ProcessSpec,
  ProcessSpecSchema,
  StdinMode,
} from "./gen/hcsd/v1/process_pb.js";
import type { CreateProcessRequestSchema } from "./gen/hcsd/v1/process_service_pb.js";
import { HOST_SYSTEM } from "./names.js";
import type { CreateOptions, ExecOptions, KeepOptions, RunOptions } from "./options.js";

/**
 * What to run: program and arguments; a string as a command line; a `ProcessSpec`, or some of its
 * fields, for all that it offers; or a document for HcsCreateProcess.
 */
export type Command =
  | readonly string[]
  | string
  | MessageInitShape<typeof ProcessSpecSchema>
  | { readonly parametersJson: string };

/** A name with or without `SIG`, a number, or a `ProcessSignal`. */
export type Signal = string | number | MessageInitShape<typeof ProcessSignalSchema>;

export type CreateRequest = MessageInitShape<typeof CreateProcessRequestSchema>;
export interface ExecRequest {
  readonly create: CreateRequest;
  readonly stdin: Uint8Array;
  readonly maxOutputBytes: number;
}

const DEFAULT_GRACE_MS = 10_000;
const OVERFLOWS = { block: OverflowPolicy.BLOCK, "drop-oldest": OverflowPolicy.DROP_OLDEST };
const STREAMS = { stdout: OutputStream.STDOUT, stderr: OutputStream.STDERR };
const OF_A_SPEC = ["stdin", "cwd", "env", "user", "console"] as const;

/**
 * Return what `create` asks for. The caller's spec is not changed.
 *
 * @throws TypeError The command is none, or options are given that it cannot have.
 * @throws RangeError A number is none of bytes or milliseconds.
 */
export function makeRequest(command: Command, options: CreateOptions): CreateRequest {
  const kept = makeKept(options);
  return {
    parent: options.parent ?? HOST_SYSTEM,
    source: makeSource(command, options),
    processId: options.processId ?? "",
    labels: { ...options.labels },
    requestId: options.requestId ?? "",
    ...(kept && { options: kept }),
  };
}

/** Return what `run` asks for: a process that waits for its readers, and is killed without its owner. */
export function makeRunRequest(command: Command, options: RunOptions): CreateRequest {
  const request = makeRequest(command, options);
  const spec = request.source?.case === "spec" ? request.source.value : undefined;
  const kept = create(ProcessOptionsSchema, request.options);
  if (options.overflow === undefined && !spec?.output?.overflow) {
    kept.output = outputOf(kept);
    kept.output.overflow = OverflowPolicy.BLOCK;
  }
  const { ownerGraceMs = DEFAULT_GRACE_MS } = options;
  if (ownerGraceMs !== null && spec?.orphanPolicy !== OrphanPolicy.KEEP) {
    kept.orphanPolicy = OrphanPolicy.KILL_ON_OWNER_DISCONNECT;
    kept.ownerGrace = makeDuration("ownerGraceMs", ownerGraceMs);
  }
  return { ...request, options: kept };
}

/** Return what `exec` asks for. */
export function makeExecRequest(command: Command, options: ExecOptions): ExecRequest {
  const { input = "", maxOutputBytes = 0, ownerGraceMs } = options;
  const request = makeRequest(command, options);
  const kept = create(ProcessOptionsSchema, request.options);
  if (ownerGraceMs === null) {
    kept.orphanPolicy = OrphanPolicy.KEEP;
  } else if (ownerGraceMs !== undefined) {
    kept.orphanPolicy = OrphanPolicy.KILL_ON_OWNER_DISCONNECT;
    kept.ownerGrace = makeDuration("ownerGraceMs", ownerGraceMs);
  }
  return {
    create: { ...request, options: kept },
    stdin: typeof input === "string" ? new TextEncoder().encode(input) : input,
    maxOutputBytes: Number(bytes("maxOutputBytes", maxOutputBytes)),
  };
}

function makeSource(
  command: Command,
  options: CreateOptions,
): NonNullable<CreateRequest["source"]> {
  const given: unknown = command;
  if (typeof given !== "string" && (typeof given !== "object" || given === null)) {
    throw new TypeError("give a command: strings, a ProcessSpec or { parametersJson }");
  }
  if (typeof command === "object" && "parametersJson" in command) {
    if (Object.keys(command).length > 1) {
      throw new TypeError("give either a command or parametersJson");
    }
    const name = OF_A_SPEC.find((each) => options[each] !== undefined);
    if (name !== undefined) {
      throw new TypeError(`'${name}' is not for parametersJson; say it in the document`);
    }
    return { case: "parametersJson", value: command.parametersJson };
  }
  const { stdin, cwd, env, user, console } = options;
  const spec = makeSpec(command);
  if (stdin) {
    spec.stdinMode = StdinMode.PIPE;
  }
  const variables = Object.entries(env ?? {}).map(([name, value]) => ({ name, value }));
  const more = create(ProcessSpecSchema, { env: variables, ...(console && { console }) });
  spec.env.push(...more.env);
  spec.workingDirectory = cwd ?? spec.workingDirectory;
  spec.user = user ?? spec.user;
  if (more.console) {
    spec.console = more.console;
  }
  return { case: "spec", value: spec };
}

/** Return how the process is kept; undefined if nothing is said of that. */
function makeKept(options: KeepOptions): ProcessOptions | undefined {
  const { ringBytes, overflow, stderrToStdout, discard, runTimeoutMs, drainTimeoutMs } = options;
  const kept = create(ProcessOptionsSchema, { pin: options.pin ?? false });
  if (ringBytes !== undefined || overflow !== undefined || stderrToStdout || discard?.length) {
    kept.output = outputOf(kept);
    kept.output.ringBytes = bytes("ringBytes", ringBytes ?? 0);
    kept.output.overflow =
      overflow === undefined ? OverflowPolicy.UNSPECIFIED : choice("overflow", overflow, OVERFLOWS);
    kept.output.stderrToStdout = stderrToStdout ?? false;
    kept.output.discard = (discard ?? []).map((name) => choice("discard", name, STREAMS));
  }
  if (runTimeoutMs !== undefined) {
    kept.runTimeout = makeDuration("runTimeoutMs", runTimeoutMs);
  }
  if (drainTimeoutMs !== undefined) {
    kept.drainTimeout = makeDuration("drainTimeoutMs", drainTimeoutMs);
  }
  const isEmpty = !kept.pin && !kept.output && !kept.runTimeout && !kept.drainTimeout;
  return isEmpty ? undefined : kept;
}

function outputOf({ output }: ProcessOptions): NonNullable<ProcessOptions["output"]> {
  return output ?? create(OutputOptionsSchema);
}

function choice<Value>(name: string, key: string, values: Readonly<Record<string, Value>>): Value {
  const found = Object.hasOwn(values, key) ? values[key] : undefined;
  if (found === undefined) {
    const known = Object.keys(values).join("' or '");
    throw new TypeError(`${name}: '${key}' is not known; give '${known}'`);
  }
  return found;
}

function bytes(name: string, count: number | bigint): bigint {
  if (count < 0 || (typeof count === "number" && !Number.isSafeInteger(count))) {
    throw new RangeError(`${name} is ${String(count)}; give a whole number of bytes`);
  }
  return BigInt(count);
}

function makeSpec(command: Exclude<Command, { readonly parametersJson: string }>): ProcessSpec {
  if (typeof command === "string") {
    return create(ProcessSpecSchema, { command: { case: "commandLine", value: command } });
  }
  if (isArray(command)) {
    return create(ProcessSpecSchema, {
      command: { case: "argv", value: { args: [...command] } },
    });
  }
  return clone(ProcessSpecSchema, create(ProcessSpecSchema, command));
}

export function makeSignal(signal: Signal): MessageInitShape<typeof ProcessSignalSchema> {
  switch (typeof signal) {
    case "string":
      return { signal: { case: "signalName", value: signal } };
    case "number":
      return { signal: { case: "signalNumber", value: signal } };
    default:
      return signal;
  }
}

/**
 * Return a duration.
 *
 * @param name - What the caller knows it by.
 * @throws RangeError It is none.
 */
export function makeDuration(name: string, ms: number): Duration {
  if (!(ms >= 0 && Number.isFinite(ms))) {
    throw new RangeError(`${name} is ${String(ms)}; give 0 or more milliseconds`);
  }
  return durationFromMs(Math.ceil(ms));
}

function isArray(value: unknown): value is readonly string[] {
  return Array.isArray(value);
}
