/**
 * Stubs: a method for each RPC of a service, made from its descriptor.
 *
 * gRPC is `@grpc/grpc-js`; messages are protobuf-es, whose generated code is plain, typed TypeScript.
 * `@connectrpc/connect-node` would bring stubs of its own, but reports a connection that is lost as
 * CANCELED, ABORTED or INTERNAL, depending on how (2.1.1, measured), where this library must know it
 * for certain to go on; grpc-js says UNAVAILABLE each time.
 */

import { once } from "node:events";

import {
  create,
  type DescMethod,
  type DescMethodBiDiStreaming,
  type DescMethodClientStreaming,
  type DescMethodServerStreaming,
  type DescMethodUnary,
  type DescService,
  fromBinary,
  type Message,
  type MessageInitShape,
  type MessageShape,
  toBinary,
} from "@bufbuild/protobuf";
import {
  type CallOptions as GrpcOptions,
  type ClientWritableStream,
  Metadata,
  type ServiceError,
} from "@grpc/grpc-js";

import type { Channel } from "./channel.js";
import { deadlineAfter } from "./limits.js";
import { Responses } from "./responses.js";

/** What bounds a call, and what goes with it. */
export interface CallOptions {
  /** Ends the wait for the answer; what the daemon has begun, it completes. */
  readonly signal?: AbortSignal | undefined;
  /** Milliseconds until the call ends with a `DeadlineExceededError`. Default: without limit. */
  readonly timeoutMs?: number | undefined;
  /** Metadata to send, of ASCII text. */
  readonly metadata?: Readonly<Record<string, string>> | undefined;
}

type Requests<Input extends DescMethod["input"]> = AsyncIterable<MessageInitShape<Input>>;

type StubMethod<Method> =
  Method extends DescMethodUnary<infer Input, infer Output>
    ? (request: MessageInitShape<Input>, options?: CallOptions) => Promise<MessageShape<Output>>
    : Method extends DescMethodServerStreaming<infer Input, infer Output>
      ? (request: MessageInitShape<Input>, options?: CallOptions) => Responses<MessageShape<Output>>
      : Method extends DescMethodClientStreaming<infer Input, infer Output>
        ? (requests: Requests<Input>, options?: CallOptions) => Promise<MessageShape<Output>>
        : Method extends DescMethodBiDiStreaming<infer Input, infer Output>
          ? (requests: Requests<Input>, options?: CallOptions) => Responses<MessageShape<Output>>
          : never;

/**
 * The methods of a service. Each makes one call, and throws a `CallError` if it fails; no error of
 * gRPC gets out. A request may be a message or a plain object with some of its fields.
 */
export type Stub<Service extends DescService> = {
  readonly [Name in keyof Service["method"]]: StubMethod<Service["method"][Name]>;
};

/** Return a stub whose calls all carry this metadata. */
export function createStub<Service extends DescService>(
  service: Service,
  channel: Channel,
  metadata: Readonly<Record<string, string>> = {},
): Stub<Service> {
  const all = { ...channel.metadata, ...metadata };
  const methods = service.methods.map((method) => [
    method.localName,
    new Calls(channel, method, all).method,
  ]);
  return Object.fromEntries(methods) as Stub<Service>;
}

/** Makes the calls of one method. */
class Calls {
  readonly #path: string;

  constructor(
    private readonly channel: Channel,
    private readonly desc: DescMethod,
    private readonly metadata: Readonly<Record<string, string>>,
  ) {
    this.#path = `/${desc.parent.typeName}/${desc.name}`;
  }

  get method(): unknown {
    switch (this.desc.methodKind) {
      case "unary":
        return this.#unary;
      case "server_streaming":
        return this.#serverStream;
      case "client_streaming":
        return this.#clientStream;
      case "bidi_streaming":
        return this.#bidiStream;
    }
  }

  readonly #unary = (request: Message, options: CallOptions = {}): Promise<Message> =>
    new Promise((resolve, reject) => {
      this.channel.check(options.signal);
      const call = this.channel.grpc.makeUnaryRequest(
        this.#path,
        this.#serialize,
        this.#deserialize,
        create(this.desc.input, request),
        this.#metadataOf(options),
        optionsOf(options),
        (error, answer) => {
          unwatch();
          this.#settle(error, answer, options, resolve, reject);
        },
      );
      const unwatch = this.channel.watch(call, options.signal);
    });

  readonly #serverStream = (request: Message, options: CallOptions = {}): Responses<Message> =>
    new Responses<Message>(this.channel, options.signal, (pace) =>
      this.channel.grpc.makeServerStreamRequest(
        this.#path,
        this.#serialize,
        this.#deserialize,
        create(this.desc.input, request),
        this.#metadataOf(options),
        { ...optionsOf(options), interceptors: [pace, ...this.channel.interceptors] },
      ),
    );

  readonly #clientStream = (
    requests: AsyncIterable<Message>,
    options: CallOptions = {},
  ): Promise<Message> =>
    new Promise((resolve, reject) => {
      this.channel.check(options.signal);
      const call = this.channel.grpc.makeClientStreamRequest(
        this.#path,
        this.#serialize,
        this.#deserialize,
        this.#metadataOf(options),
        optionsOf(options),
        (error, answer) => {
          unwatch();
          this.#settle(error, answer, options, resolve, reject);
        },
      );
      const unwatch = this.channel.watch(call, options.signal);
      this.#send(call, requests).catch(reject);
    });

  readonly #bidiStream = (
    requests: AsyncIterable<Message>,
    options: CallOptions = {},
  ): Responses<Message> =>
    new Responses<Message>(this.channel, options.signal, (pace) => {
      const call = this.channel.grpc.makeBidiStreamRequest<Message, Message>(
        this.#path,
        this.#serialize,
        this.#deserialize,
        this.#metadataOf(options),
        { ...optionsOf(options), interceptors: [pace, ...this.channel.interceptors] },
      );
      this.#send(call, requests).catch((error: unknown) => {
        call.destroy(error as Error);
      });
      return call;
    });

  /** Send requests as fast as they are taken, until they or the call end. */
  async #send(
    call: ClientWritableStream<Message>,
    requests: AsyncIterable<Message>,
  ): Promise<void> {
    const over = new AbortController();
    call.once("status", () => {
      over.abort();
    });
    try {
      for await (const request of requests) {
        if (over.signal.aborted) {
          return;
        }
        if (!call.write(create(this.desc.input, request))) {
          await once(call, "drain", { signal: over.signal });
        }
      }
      call.end();
    } catch (error) {
      if (!over.signal.aborted) {
        call.cancel();
        throw error;
      }
    }
  }

  #settle(
    error: ServiceError | null,
    answer: Message | undefined,
    { signal }: CallOptions,
    resolve: (answer: Message) => void,
    reject: (error: unknown) => void,
  ): void {
    if (error === null && answer !== undefined) {
      this.channel.reached();
      resolve(answer);
    } else {
      reject(this.channel.translate(error, signal));
    }
  }

  readonly #serialize = (message: Message): Buffer => {
    const bytes = toBinary(this.desc.input, message);
    return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  };

  readonly #deserialize = (bytes: Buffer): Message =>
    // Not as a Buffer: the fields of bytes are views of it, and are to be plain arrays.
    fromBinary(this.desc.output, new Uint8Array(bytes.buffer, bytes.byteOffset, bytes.byteLength));

  #metadataOf(options: CallOptions): Metadata {
    const metadata = new Metadata();
    for (const [name, value] of Object.entries({ ...this.metadata, ...options.metadata })) {
      metadata.set(name, value);
    }
    return metadata;
  }
}

function optionsOf({ timeoutMs }: CallOptions): GrpcOptions {
  const deadline = deadlineAfter(timeoutMs);
  return Number.isFinite(deadline) ? { deadline } : {};
}
