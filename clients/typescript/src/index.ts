/**
 * A client of the hcsd daemon.
 *
 * {@link Client} is where to begin. Messages are those of `hcsd/v1`, with no second set of types beside
 * them: they are typed and documented, and a field that the contract gains is there without a change
 * here. Sizes, offsets and revisions are `bigint`, times of this library's own are milliseconds.
 *
 * @module
 */

export * from "./address.js";
export * from "./client.js";
export { Completed } from "./completed.js";
export * from "./errors.js";
export { EventWatch } from "./events.js";
export * from "./input.js";
export type { Line, LinesOptions } from "./lines.js";
export * from "./names.js";
export type * from "./options.js";
export * from "./output.js";
export { OwnedProcess } from "./owned-process.js";
export * from "./process.js";
export { Responses } from "./responses.js";
export type { Command, Signal } from "./requests.js";
export type { Logger, Retry } from "./session.js";
export { errorFromStatus } from "./status.js";
export type { CallOptions, Stub } from "./stubs.js";
export type { ProofOptions } from "./credentials.js";
