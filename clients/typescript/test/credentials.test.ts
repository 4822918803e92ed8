import assert from "node:assert/strict";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test, type TestContext } from "node:test";

import { ServerCredentials } from "@grpc/grpc-js";
import {
  Client,
  DaemonUnreachableError,
  TlsError,
  TokenFileError,
  UnauthenticatedError,
} from "hcsd";

import { Certificate } from "./authority.js";
import { Refusal, TestServer } from "./server.js";

const warnings: Error[] = [];
process.on("warning", (warning) => warnings.push(warning));
after(() => {
  assert.deepEqual(warnings, []); // as of an IP address that is taken for a name
});

async function folder(t: TestContext): Promise<string> {
  const path = await mkdtemp(join(tmpdir(), "hcsd-"));
  t.after(() => rm(path, { recursive: true }));
  return path;
}

async function write(path: string, name: string, text: string): Promise<string> {
  const file = join(path, name);
  await writeFile(file, text);
  return file;
}

test("a call goes over TLS, with the client's certificate and without a token in clear", async (t) => {
  const path = await folder(t);
  const [ca, stranger] = [new Certificate("ca"), new Certificate("stranger")];
  const [server, person] = [new Certificate("server", ca), new Certificate("person", ca)];
  const tokens: unknown[] = [];
  const pair = { private_key: Buffer.from(server.key), cert_chain: Buffer.from(server.cert) };
  const daemon = await TestServer.start(
    t,
    {
      listProcesses: (_, call) => {
        tokens.push(...call.metadata.get("authorization"));
        return {};
      },
    },
    ServerCredentials.createSsl(Buffer.from(ca.cert), [pair], true),
  );
  const files = {
    tokenFile: await write(path, "token", "secret\n"),
    tlsCaFile: await write(path, "ca.pem", ca.cert),
    tlsCertFile: await write(path, "cert.pem", person.cert),
    tlsKeyFile: await write(path, "key.pem", person.key),
  };
  const address = daemon.address.replace("127.0.0.1", "localhost");
  using client = await Client.connect({ address, ...files });
  await client.processes.listProcesses({ parent: "systems/-" });
  assert.deepEqual(tokens, ["Bearer secret"]);

  const tlsCaFile = await write(path, "stranger.pem", stranger.cert);
  const { tokenFile, tlsCaFile: trusted } = files;
  const anonymous = { tokenFile, tlsCaFile: trusted };
  const refused = [
    [{ address, ...files, tlsCaFile }, /is not from the CA in '.*stranger\.pem'/],
    [{ address, ...anonymous, tlsCaFile: "" }, /is not from a CA that Node trusts.*server\.pem/],
    [{ ...files, address: daemon.address }, /is not for '127\.0\.0\.1'/],
    [{ address, ...anonymous }, /may want a client certificate/],
    [{ address, insecure: true }, /if it is a daemon, leave out insecure and HCSD_INSECURE/],
  ] as const;
  for (const [options, message] of refused) {
    using wary = await Client.connect(options);
    await assert.rejects(wary.processes.listProcesses({}), (error) => {
      assert.ok(error instanceof DaemonUnreachableError);
      assert.match(error.message, message);
      return true;
    });
  }
});

test("files that cannot be used for TLS are named", async (t) => {
  const path = await folder(t);
  const [one, other] = [new Certificate("one"), new Certificate("other")];
  const tlsCaFile = await write(path, "ca.pem", one.cert);
  const tlsCertFile = await write(path, "cert.pem", one.cert);
  const tlsKeyFile = await write(path, "key.pem", one.key);
  const foreign = await write(path, "foreign.pem", other.key);
  const refused = [
    [{ tlsCaFile: join(path, "missing") }, /cannot read the TLS file '.*missing'.*ENOENT/],
    [{ tlsCaFile: tlsKeyFile }, /'.*key\.pem': it holds no certificate/],
    [{ tlsCaFile, tlsCertFile }, /certificate of this client is of no use without its key/],
    [{ tlsCaFile, tlsKeyFile }, /key of this client is of no use without its certificate/],
    [{ tlsCertFile: tlsKeyFile, tlsKeyFile }, /'.*key\.pem': it holds no certificate/],
    [{ tlsCertFile, tlsKeyFile: tlsCertFile }, /'.*cert\.pem': it does not hold the certificate's/],
    [{ tlsCertFile, tlsKeyFile: foreign }, /'.*foreign\.pem': it does not hold the certificate's/],
  ] as const;
  for (const [options, message] of refused) {
    await assert.rejects(Client.connect({ address: "localhost:1", ...options }), (error) => {
      assert.ok(error instanceof TlsError);
      assert.match(error.message, message);
      return true;
    });
  }
});

test("a certificate may be for an IP address", async (t) => {
  const path = await folder(t);
  const ca = new Certificate("ca");
  const server = new Certificate("server", ca, "127.0.0.1");
  const pair = { private_key: Buffer.from(server.key), cert_chain: Buffer.from(server.cert) };
  const daemon = await TestServer.start(
    t,
    { listProcesses: () => ({}) },
    ServerCredentials.createSsl(null, [pair]),
  );
  const tlsCaFile = await write(path, "ca.pem", ca.cert);
  using client = await Client.connect({ address: daemon.address, tlsCaFile });
  await client.processes.listProcesses({ parent: "systems/-" });
});

test("nothing is said in clear unless it is asked for", async (t) => {
  const daemon = await TestServer.start(t, { listProcesses: () => ({}) });
  using wary = await Client.connect({ address: daemon.address });
  await assert.rejects(wary.processes.listProcesses({}), (error) => {
    assert.ok(error instanceof DaemonUnreachableError);
    assert.match(error.message, /does not speak TLS/);
    return true;
  });
  using careless = await Client.connect(daemon.clear);
  await careless.processes.listProcesses({});
});

test("a refusal says what was sent", async (t) => {
  const path = await folder(t);
  const authority = new Certificate("ca");
  const server = new Certificate("server", authority, "127.0.0.1");
  const pair = { private_key: Buffer.from(server.key), cert_chain: Buffer.from(server.cert) };
  const listProcesses = (): never => {
    throw Refusal.of("UNAUTHENTICATED", "TOKEN_WRONG");
  };
  const daemon = await TestServer.start(
    t,
    { listProcesses },
    ServerCredentials.createSsl(null, [pair]),
  );
  const tokenFile = await write(path, "token", "old");
  const tlsCaFile = await write(path, "server.pem", authority.cert);
  const rows = [
    [{ tokenFile }, /this client sent the token in '.*token'$/],
    [{ tlsCaFile }, /this client sent no token and no certificate$/],
  ] as const;
  for (const [options, message] of rows) {
    using client = await Client.connect({ address: daemon.address, ...options });
    await assert.rejects(client.processes.listProcesses({}), (error) => {
      assert.ok(error instanceof UnauthenticatedError);
      assert.equal(error.reason, "TOKEN_WRONG");
      assert.match(error.message, message);
      return true;
    });
  }
});

test("a token file must hold a token", async (t) => {
  const path = await folder(t);
  for (const text of ["", " \n", "two words", "\u{1F511}", "a\0b"]) {
    const wrong = await write(path, "wrong", text);
    const connecting = Client.connect({ address: "localhost:1", tokenFile: wrong });
    await assert.rejects(connecting, /does not hold a token/);
  }
  const missing = join(path, "missing");
  const connecting = Client.connect({ address: "localhost:1", tokenFile: missing });
  await assert.rejects(connecting, TokenFileError);
  const options = { address: "unix:///nowhere", tokenFile: missing, insecure: true };
  (await Client.connect(options)).close(); // neither is of interest there
});
