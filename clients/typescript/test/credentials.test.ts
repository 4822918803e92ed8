import assert from "node:assert/strict";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test, type TestContext } from "node:test";

import { ServerCredentials } from "@grpc/grpc-js";
import { Client, DaemonUnreachableError, TlsError, TokenFileError } from "hcsd";

import { Certificate } from "./authority.js";
import { TestServer } from "./server.js";

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
  const { tlsCertFile, tlsKeyFile, ...anonymous } = files;
  const refused = [
    [{ address, ...files, tlsCaFile }, /is not from the CA in '.*stranger\.pem'/],
    [{ address, ...anonymous, tls: true, tlsCaFile: "" }, /is not from a CA that Node trusts/],
    [{ ...files, address: daemon.address }, /is not for '127\.0\.0\.1'/],
    [{ address, ...anonymous }, /may want a client certificate/],
    [{ address, tlsCaFile, tlsCertFile, tlsKeyFile, tls: false }, /if it speaks TLS, name its CA/],
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

test("a token is sent only to where nobody else can read it, and only if it is one", async (t) => {
  const path = await folder(t);
  const tokenFile = await write(path, "token", "secret");
  const address = "192.0.2.1:7443";
  await assert.rejects(Client.connect({ address, tokenFile }), (error) => {
    assert.ok(error instanceof TokenFileError);
    assert.match(error.message, /will not send the token to 192\.0\.2\.1:7443 in clear/);
    return true;
  });
  (await Client.connect({ address, tokenFile, tls: true })).close();
  for (const text of ["", " \n", "two words", "\u{1F511}", "a\0b"]) {
    const wrong = await write(path, "wrong", text);
    const connecting = Client.connect({ address: "localhost:1", tokenFile: wrong });
    await assert.rejects(connecting, /does not hold a token/);
  }
  const missing = join(path, "missing");
  const connecting = Client.connect({ address: "localhost:1", tokenFile: missing });
  await assert.rejects(connecting, TokenFileError);
  (await Client.connect({ address: "unix:///nowhere", tokenFile: missing })).close();
});
