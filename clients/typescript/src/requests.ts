/** From what callers write to the messages of the contract. */

import { clone, create, type MessageInitShape } from "@bufbuild/protobuf";
import { type Duration, durationFromMs } from "@bufbuild/protobuf/wkt";

import {
  ProcessSignalSchema,
  type ProcessSpec,
  ProcessSpecSchema,
} from "./gen/hcsd/v1/process_pb.js";
import type { CreateProcessRequestSchema } from "./gen/hcsd/v1/process_service_pb.js";

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

type Source = NonNullable<MessageInitShape<typeof CreateProcessRequestSchema>["source"]>;

/**
 * Return what to run, in a spec of our own that `change` may complete; the caller's is not changed.
 *
 * @throws TypeError It is nothing, or both a spec and a document.
 */
export function makeSource(command: Command, change: (spec: ProcessSpec) => void): Source {
  const given: unknown = command;
  if (typeof given !== "string" && (typeof given !== "object" || given === null)) {
    throw new TypeError("give a command: strings, a ProcessSpec or { parametersJson }");
  }
  if (typeof command === "object" && "parametersJson" in command) {
    if (Object.keys(command).length > 1) {
      throw new TypeError("give either a command or parametersJson");
    }
    return { case: "parametersJson", value: command.parametersJson };
  }
  const spec = makeSpec(command);
  change(spec);
  return { case: "spec", value: spec };
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

/** Return a duration; undefined stays undefined, which is an unset field. */
export function makeDuration(ms: number | undefined): Duration | undefined {
  return ms === undefined ? undefined : durationFromMs(ms);
}

function isArray(value: unknown): value is readonly string[] {
  return Array.isArray(value);
}
