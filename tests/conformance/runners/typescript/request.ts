/** Requests, and what they ask of the library. */

import { readFile } from "node:fs/promises";

import type { CallOptions, Command, CreateOptions, RunOptions } from "hcsd";
import type { TerminateScope } from "hcsd/v1";

/** The arguments of all requests; what a request requires is there. */
export interface Request {
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
  readonly keepalive_ms?: number;
  readonly argv?: string[];
  readonly parameters_json?: string;
  readonly parent?: string;
  readonly stdin?: boolean;
  readonly console?: { columns: number; rows: number };
  readonly process_id?: string;
  readonly request_id?: string;
  readonly ring_bytes?: number;
  readonly block?: boolean;
  readonly stderr_to_stdout?: boolean;
  readonly discard?: ("stdout" | "stderr")[];
  readonly run_timeout_ms?: number;
  readonly drain_timeout_ms?: number;
  readonly pin?: boolean;
  readonly owner_grace_ms?: number;
  readonly name: string;
  readonly stream?: "stdout" | "stderr";
  readonly until?: number;
  readonly last?: number;
  readonly since?: number;
  readonly check?: boolean;
  readonly max_output_bytes?: number;
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

export type Table = Record<string, unknown>;

/** What bounds one request. */
export interface Bounds extends CallOptions {
  readonly signal: AbortSignal;
  /** On the clock of `performance.now`. */
  readonly deadline: number;
}

export function commandOf({ argv, parameters_json: parametersJson }: Request): Command {
  if (argv !== undefined && parametersJson === undefined) {
    return argv;
  }
  // Neither or both is for the library to refuse.
  return {
    ...(argv && { command: { case: "argv", value: { args: argv } } }),
    ...(parametersJson !== undefined && { parametersJson }),
  };
}

export function runOptions(request: Request, options: Bounds): RunOptions & CreateOptions {
  const { parent, stdin, console, process_id: processId, request_id: requestId } = request;
  return {
    ...options,
    parent,
    stdin,
    console,
    processId,
    requestId,
    ringBytes: request.ring_bytes,
    overflow: request.block ? "block" : undefined,
    stderrToStdout: request.stderr_to_stdout,
    discard: request.discard,
    runTimeoutMs: request.run_timeout_ms,
    drainTimeoutMs: request.drain_timeout_ms,
    pin: request.pin,
    ownerGraceMs: request.owner_grace_ms,
  };
}

export async function contentOf({ file, text = "" }: Request): Promise<Uint8Array | string> {
  return file === undefined ? text : await readFile(file);
}
