package hcsd;

import java.nio.file.Path;
import java.util.Map;

/** Where a daemon keeps what its clients look for, if nobody says otherwise. */
final class Folders {
    private Folders() {}

    static boolean isWindows() {
        return System.getProperty("os.name").startsWith("Windows");
    }

    /** Returns the folder whose {@code hcsd} has the daemon's socket; POSIX only. */
    static String runtime(Map<String, String> environment) {
        String runtime = environment.getOrDefault("XDG_RUNTIME_DIR", "");
        if (!runtime.isEmpty()) {
            return runtime;
        }
        return isRoot() ? "/run" : state(environment);
    }

    /** Returns where the daemon of this user keeps its token. */
    static Path defaultTokenFile(Map<String, String> environment) {
        String folder;
        if (isWindows()) {
            folder = environment.getOrDefault("ProgramData", "C:\\ProgramData");
        } else {
            folder = isRoot() ? "/var/lib" : state(environment);
        }
        return Path.of(folder, "hcsd", "token");
    }

    private static boolean isRoot() {
        return System.getProperty("user.name").equals("root");
    }

    private static String state(Map<String, String> environment) {
        String state = environment.getOrDefault("XDG_STATE_HOME", "");
        return state.isEmpty() ? System.getProperty("user.home") + "/.local/state" : state;
    }
}
