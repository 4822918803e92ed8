/** Where a daemon keeps what its clients look for, if nobody says otherwise. */

import { homedir, platform } from "node:os";
import { join } from "node:path";

/** Return the folder whose `hcsd` has the daemon's socket; POSIX only. */
export function runtimeFolder(environment: NodeJS.ProcessEnv): string {
  const folder = environment["XDG_RUNTIME_DIR"];
  if (folder) {
    return folder;
  }
  return isRoot() ? "/run" : stateFolder(environment);
}

/** Return where the daemon of this user keeps its token. */
export function defaultTokenFile(environment: NodeJS.ProcessEnv): string {
  if (platform() === "win32") {
    return join(environment["PROGRAMDATA"] || "C:\\ProgramData", "hcsd", "token");
  }
  return join(isRoot() ? "/var/lib" : stateFolder(environment), "hcsd", "token");
}

function stateFolder(environment: NodeJS.ProcessEnv): string {
  return environment["XDG_STATE_HOME"] || join(environment["HOME"] || homedir(), ".local/state");
}

function isRoot(): boolean {
  return process.geteuid?.() === 0;
}
