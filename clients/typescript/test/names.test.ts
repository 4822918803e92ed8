import assert from "node:assert/strict";
import { test } from "node:test";

import { processName, systemName } from "hcsd";

test("what a name may not hold is percent-encoded", () => {
  assert.equal(systemName("a1.b_c~d@e-f"), "systems/a1.b_c~d@e-f");
  assert.equal(systemName("a/b c*(d)'!é"), "systems/a%2Fb%20c%2A%28d%29%27%21%C3%A9");
  assert.equal(processName("s", "p"), "systems/s/processes/p");
});
