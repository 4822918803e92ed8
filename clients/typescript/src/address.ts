/** Addresses of the daemon: how they are written, and which one is meant by default. */

import { BlockList, isIP, isIPv6 } from "node:net";
import { platform } from "node:os";

import { AddressError } from "./errors.js";
import { runtimeFolder } from "./folders.js";

const WINDOWS_DEFAULT = "127.0.0.1:7443";
const MAX_SOCKET_PATH_BYTES = 107; // sun_path of Linux without its NUL
const MAX_PORT = 0xffff;

const SYNTAX = "write unix:///path/to/socket, host:port or [IPv6 address]:port";

const LOOPBACK = new BlockList();
LOOPBACK.addSubnet("127.0.0.0", 8);
LOOPBACK.addAddress("::1", "ipv6");

/** Where a daemon listens: a Unix socket (`path`) or a TCP port (`host` and `port`). */
export class Address {
  private constructor(
    /** Absolute path of the socket; "" for TCP. */
    readonly path: string,
    /** Name or IP address, an IPv6 address without brackets; "" for a Unix socket. */
    readonly host: string,
    /** TCP port; 0 for a Unix socket. */
    readonly port: number,
  ) {}

  /**
   * Read an address: `unix:///path` or `unix:/path`, `host:port` or `[IPv6]:port`.
   *
   * @throws {@link AddressError} It is neither; the message has the text, what is wrong and what
   * would be right.
   */
  static parse(text: string): Address {
    if (text.startsWith("unix:")) {
      return new Address(parsePath(text), "", 0);
    }
    const colon = text.lastIndexOf(":");
    if (colon < 0) {
      throw new AddressError(text, "it has no port", SYNTAX);
    }
    return new Address(
      "",
      parseHost(text, text.slice(0, colon)),
      parsePort(text, text.slice(colon + 1)),
    );
  }

  /**
   * Return where clients look for a daemon if they are not told.
   *
   * This is `HCSD_ADDRESS`, else on POSIX `hcsd/hcsd.sock` in the first of these folders that
   * applies: `XDG_RUNTIME_DIR`; `/run` for root; `XDG_STATE_HOME`; `~/.local/state`. Windows has
   * `127.0.0.1:7443`.
   *
   * @throws {@link AddressError} `HCSD_ADDRESS` is not an address.
   */
  static default(environment: NodeJS.ProcessEnv = process.env): Address {
    const text = environment["HCSD_ADDRESS"];
    if (text) {
      return Address.parse(text);
    }
    if (platform() === "win32") {
      return Address.parse(WINDOWS_DEFAULT);
    }
    return Address.parse(`unix://${runtimeFolder(environment)}/hcsd/hcsd.sock`);
  }

  /** Whether it is a Unix socket. */
  get isUnix(): boolean {
    return this.path !== "";
  }

  /** Whether only this machine can reach it; true for a Unix socket too. */
  get isLoopback(): boolean {
    if (this.isUnix || this.host === "localhost") {
      return true;
    }
    const version = isIP(this.host); // 0 is a name: where it leads is not known before a lookup
    return version !== 0 && LOOPBACK.check(this.host, version === 6 ? "ipv6" : "ipv4");
  }

  /** The address as a user writes it; {@link Address.parse} takes it back. */
  toString(): string {
    if (this.isUnix) {
      return `unix://${this.path}`;
    }
    return `${this.host.includes(":") ? `[${this.host}]` : this.host}:${String(this.port)}`;
  }
}

function parsePath(text: string): string {
  const path = text.replace(/^unix:(\/\/)?/, "");
  if (!path.startsWith("/")) {
    throw new AddressError(text, "the path of the socket is not absolute", SYNTAX);
  }
  if (/[\0\n\r]|\/$/.test(path)) {
    throw new AddressError(text, "it does not name a file", SYNTAX);
  }
  if (Buffer.byteLength(path) > MAX_SOCKET_PATH_BYTES) {
    const problem = `a socket's path has at most ${String(MAX_SOCKET_PATH_BYTES)} bytes`;
    throw new AddressError(text, problem, "choose a shorter one");
  }
  return path;
}

function parseHost(text: string, host: string): string {
  if (host.startsWith("[") && host.endsWith("]")) {
    const inner = host.slice(1, -1);
    if (!isIPv6(inner)) {
      throw new AddressError(text, `'${inner}' is not an IPv6 address`, SYNTAX);
    }
    return inner;
  }
  if (host === "") {
    throw new AddressError(text, "it has no host", "write 127.0.0.1:port for this machine");
  }
  if (host.includes(":")) {
    throw new AddressError(text, "an IPv6 address needs brackets", "write it as in [::1]:7443");
  }
  if (!/^[\p{L}\p{N}._-]+$/u.test(host)) {
    throw new AddressError(text, `'${host}' is not a host`, SYNTAX);
  }
  return host;
}

function parsePort(text: string, port: string): number {
  if (/^[0-9]+$/.test(port) && Number(port) <= MAX_PORT) {
    return Number(port);
  }
  const remedy = `a port is a number up to ${String(MAX_PORT)}`;
  throw new AddressError(text, `'${port}' is not a port`, remedy);
}
