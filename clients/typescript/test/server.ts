/** A gRPC server of the contract in this process, which answers as a test wants. */

import { once } from "node:events";
import { type AddressInfo, createServer, type Server as NetServer, type Socket } from "node:net";
import type { TestContext } from "node:test";

import {
  create,
  type DescMessage,
  type DescMethodBiDiStreaming,
  type DescMethodUnary,
  type DescMethodServerStreaming,
  fromBinary,
  type MessageInitShape,
  type MessageShape,
  toBinary,
} from "@bufbuild/protobuf";
import { anyPack, durationFromMs } from "@bufbuild/protobuf/wkt";
import {
  Metadata,
  type sendUnaryData,
  Server,
  ServerCredentials,
  type ServerDuplexStream,
  type ServerUnaryCall,
  type ServerWritableStream,
  type ServiceDefinition,
  status,
  type StatusObject,
  type UntypedServiceImplementation,
} from "@grpc/grpc-js";
import { type ConnectOptions, type StatusCode } from "hcsd";
import { EventService, HostService, ProcessService } from "hcsd/v1";

import { ErrorInfoSchema, RetryInfoSchema } from "../src/gen/google/rpc/error_details_pb.js";
import { type Status, StatusSchema } from "../src/gen/google/rpc/status_pb.js";

const SERVICES = [ProcessService, HostService, EventService] as const;

type Methods = (typeof ProcessService)["method"] &
  (typeof HostService)["method"] &
  (typeof EventService)["method"];

type Handler<Method> =
  Method extends DescMethodUnary<infer Input, infer Output>
    ? (
        request: MessageShape<Input>,
        call: ServerUnaryCall<MessageShape<Input>, MessageShape<Output>>,
      ) => MessageInitShape<Output> | Promise<MessageInitShape<Output>>
    : Method extends DescMethodServerStreaming<infer Input, infer Output>
      ? (
          request: MessageShape<Input>,
          call: ServerWritableStream<MessageShape<Input>, MessageShape<Output>>,
        ) => AsyncGenerator<MessageInitShape<Output>, void>
      : Method extends DescMethodBiDiStreaming<infer Input, infer Output>
        ? (
            request: undefined,
            call: ServerDuplexStream<MessageShape<Input>, MessageShape<Output>>,
          ) => AsyncGenerator<MessageInitShape<Output>, void>
        : never;

/** What the methods do. Those that are not there are UNIMPLEMENTED, but for `getHost`. */
export type Handlers = { readonly [Name in keyof Methods]?: Handler<Methods[Name]> };

/** What a method throws to end its call with a status. */
export class Refusal extends Error {
  private constructor(
    readonly code: status,
    readonly found: Status,
  ) {
    super(found.message);
  }

  static of(code: StatusCode, reason = "", retryDelayMs?: number): Refusal {
    const info = create(ErrorInfoSchema, { domain: "hcsd", reason });
    const details = reason === "" ? [] : [anyPack(ErrorInfoSchema, info)];
    if (retryDelayMs !== undefined) {
      const retry = create(RetryInfoSchema, { retryDelay: durationFromMs(retryDelayMs) });
      details.push(anyPack(RetryInfoSchema, retry));
    }
    const message = `no: ${code} ${reason}`;
    const found = create(StatusSchema, { code: status[code], message, details });
    return new Refusal(status[code], found);
  }
}

export class TestServer {
  #port = 0;
  #connections = 0;
  #listener: NetServer | undefined;
  readonly #sockets = new Set<Socket>();

  private constructor(
    private readonly handlers: Handlers,
    private readonly credentials: ServerCredentials,
  ) {}

  /** Start a server that ends with the test. */
  static async start(
    test: TestContext,
    handlers: Handlers,
    credentials = ServerCredentials.createInsecure(),
  ): Promise<TestServer> {
    const server = new TestServer(handlers, credentials);
    await server.start();
    test.after(() => {
      server.stop();
    });
    return server;
  }

  get address(): string {
    return `127.0.0.1:${String(this.#port)}`;
  }

  /** How a client reaches one without credentials. */
  get clear(): ConnectOptions {
    return { address: this.address, insecure: true };
  }

  /** Listen, after a stop at the address of before. */
  async start(): Promise<void> {
    const server = new Server();
    server.addService(DEFINITION, this.#implementation());
    const injector = server.createConnectionInjector(this.credentials);
    this.#listener = createServer((socket) => {
      this.#connections += 1;
      this.#sockets.add(socket);
      injector.injectConnection(socket);
    });
    this.#listener.listen(this.#port, "127.0.0.1");
    await once(this.#listener, "listening");
    this.#port = (this.#listener.address() as AddressInfo).port;
  }

  /** How many connections there have been. */
  get connections(): number {
    return this.#connections;
  }

  /** Cut all connections and listen no more. */
  stop(): void {
    this.#listener?.close();
    this.cut();
  }

  /** Cut all connections. */
  cut(): void {
    for (const socket of this.#sockets) {
      socket.destroy();
    }
    this.#sockets.clear();
  }

  #implementation(): UntypedServiceImplementation {
    const handlers: Handlers = { getHost: () => ({ incarnation: "i" }), ...this.handlers };
    const given = Object.entries(handlers) as [string, AnyHandler][];
    const kinds = new Map(METHODS.map(({ localName, methodKind }) => [localName, methodKind]));
    return Object.fromEntries(
      given.map(([name, handler]) => [
        name,
        kinds.get(name) === "unary" ? unary(handler) : streaming(handler),
      ]),
    );
  }
}

type AnyHandler = (request: unknown, call: unknown) => unknown;

function unary(handler: AnyHandler): UntypedServiceImplementation[string] {
  return (call: ServerUnaryCall<unknown, unknown>, answer: sendUnaryData<unknown>) => {
    Promise.resolve()
      .then(() => handler(call.request, call))
      .then(
        (response) => {
          answer(null, response);
        },
        (error: unknown) => {
          answer(statusOf(error));
        },
      );
  };
}

function streaming(handler: AnyHandler): UntypedServiceImplementation[string] {
  return (call: ServerWritableStream<unknown, unknown>) => {
    const send = async (): Promise<void> => {
      for await (const response of handler(call.request, call) as AsyncIterable<unknown>) {
        call.write(response);
      }
      call.end();
    };
    send().catch((error: unknown) => {
      call.emit("error", statusOf(error));
    });
  };
}

function statusOf(error: unknown): Partial<StatusObject> {
  if (!(error instanceof Refusal)) {
    return { code: status.UNKNOWN, details: String(error) };
  }
  const metadata = new Metadata();
  metadata.set("grpc-status-details-bin", Buffer.from(toBinary(StatusSchema, error.found)));
  return { code: error.code, details: error.message, metadata };
}

const METHODS = SERVICES.flatMap(({ methods }) => methods);

const DEFINITION: ServiceDefinition = Object.fromEntries(
  METHODS.map((method) => [
    method.localName,
    {
      path: `/${method.parent.typeName}/${method.name}`,
      requestStream:
        method.methodKind === "client_streaming" || method.methodKind === "bidi_streaming",
      responseStream:
        method.methodKind === "server_streaming" || method.methodKind === "bidi_streaming",
      ...codecs("request", method.input),
      ...codecs("response", method.output),
    },
  ]),
) as unknown as ServiceDefinition;

function codecs(side: "request" | "response", desc: DescMessage): Record<string, unknown> {
  return {
    [`${side}Serialize`]: (init: MessageInitShape<DescMessage>) =>
      Buffer.from(toBinary(desc, create(desc, init))),
    [`${side}Deserialize`]: (bytes: Buffer) => fromBinary(desc, bytes),
  };
}
