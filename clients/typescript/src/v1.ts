/**
 * The messages, enums and services of the contract `hcsd.v1`, as made from its Protobuf files.
 *
 * @module
 */

export * from "./gen/hcsd/v1/compute_system_pb.js";
export * from "./gen/hcsd/v1/compute_system_service_pb.js";
export * from "./gen/hcsd/v1/error_pb.js";
export * from "./gen/hcsd/v1/event_pb.js";
export * from "./gen/hcsd/v1/event_service_pb.js";
export * from "./gen/hcsd/v1/host_service_pb.js";
export * from "./gen/hcsd/v1/process_pb.js";
export * from "./gen/hcsd/v1/process_service_pb.js";
