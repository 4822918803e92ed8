/** What requests are answered with. */

import { createHash } from "node:crypto";

import { CallError, ClientClosedError, type Completed, HcsdError } from "hcsd";
import type {
  DeleteProcessResponse,
  ProcessExit,
  TerminateProcessResponse,
  WatchEventsResponse,
} from "hcsd/v1";

import type { Table } from "./request.js";

/** A request that this runner does not know. */
export class UnsupportedError extends Error {}

export function completedOf({ exit, stdout, stderr }: Completed): Table {
  return { exit: exitOf(exit), stdout: digestOf(stdout), stderr: digestOf(stderr) };
}

function digestOf(data: Uint8Array): Table {
  return { bytes: data.length, sha256: createHash("sha256").update(data).digest("hex") };
}

export function endOf(answer: TerminateProcessResponse | DeleteProcessResponse): Table {
  return { scope_applied: answer.scopeApplied, descendants_killed: answer.descendantsKilled };
}

export function exitOf({ outcome, signal, reason }: ProcessExit): Table {
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

export function itemOf(message: WatchEventsResponse | undefined): Table {
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
export function describe(error: unknown): Table {
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
