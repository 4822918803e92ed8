import assert from "node:assert/strict";
import { test } from "node:test";

import { Address, AddressError } from "hcsd";

const READ = [
  { text: "unix:///run/hcsd.sock", path: "/run/hcsd.sock", host: "", port: 0, loopback: true },
  { text: "unix:///run/50% #?.sock", path: "/run/50% #?.sock", host: "", port: 0, loopback: true },
  { text: "localhost:7443", path: "", host: "localhost", port: 7443, loopback: true },
  { text: "127.8.0.1:1", path: "", host: "127.8.0.1", port: 1, loopback: true },
  { text: "[::1]:7443", path: "", host: "::1", port: 7443, loopback: true },
  { text: "[2001:db8::1]:65535", path: "", host: "2001:db8::1", port: 65535, loopback: false },
  { text: "daemon.example:7443", path: "", host: "daemon.example", port: 7443, loopback: false },
  { text: "10.0.0.1:0", path: "", host: "10.0.0.1", port: 0, loopback: false },
];

for (const { text, path, host, port, loopback } of READ) {
  test(`'${text}' is read and written back`, () => {
    const address = Address.parse(text);
    assert.deepEqual([address.path, address.host, address.port], [path, host, port]);
    assert.equal(address.isUnix, path !== "");
    assert.equal(address.isLoopback, loopback);
    assert.equal(address.toString(), text);
  });
}

test("a socket may be named with one slash", () => {
  assert.equal(Address.parse("unix:/run/hcsd.sock").toString(), "unix:///run/hcsd.sock");
});

const REFUSED = [
  ["", /has no port/],
  ["host", /has no port/],
  ["host:", /'' is not a port/],
  ["host:x", /'x' is not a port/],
  ["host:70000", /'70000' is not a port.*up to 65535/],
  [":7443", /has no host/],
  ["a b:7443", /'a b' is not a host/],
  ["::1:7443", /needs brackets/],
  ["[::g]:7443", /not an IPv6 address/],
  ["unix:relative", /not absolute/],
  ["unix://host/path", /not absolute/],
  ["unix:///folder/", /does not name a file/],
  ["unix:///a\0b", /does not name a file/],
  [`unix:///${"x".repeat(107)}`, /at most 107 bytes/],
] as const;

for (const [text, problem] of REFUSED) {
  test(`${JSON.stringify(text.slice(0, 20))} is refused`, () => {
    assert.throws(
      () => Address.parse(text),
      (error) => {
        assert.ok(error instanceof AddressError);
        assert.equal(error.text, text);
        assert.ok(error.message.includes(`'${text}'`));
        assert.match(error.message, problem);
        return true;
      },
    );
  });
}

test("HCSD_ADDRESS comes before the folder of the user", () => {
  const environment = { HCSD_ADDRESS: "localhost:1", XDG_RUNTIME_DIR: "/run/user/7" };
  assert.equal(Address.default(environment).toString(), "localhost:1");
  assert.throws(() => Address.default({ HCSD_ADDRESS: "nonsense" }), AddressError);
});

test(
  "the default is a socket in the first folder there is",
  { skip: process.platform === "win32" && "Windows has no Unix sockets" },
  () => {
    const defaultOf = (environment: NodeJS.ProcessEnv): string =>
      Address.default(environment).toString();
    assert.equal(
      defaultOf({ XDG_RUNTIME_DIR: "/run/user/7" }),
      "unix:///run/user/7/hcsd/hcsd.sock",
    );
    const state = { XDG_STATE_HOME: "/state", HOME: "/home/me" };
    const expected = process.geteuid?.() === 0 ? "/run" : "/state";
    assert.equal(defaultOf(state), `unix://${expected}/hcsd/hcsd.sock`);
  },
);
