package hcsd.conformance;

import java.util.List;
import java.util.ResourceBundle;
import java.util.concurrent.CopyOnWriteArrayList;

/** What a client has logged. */
final class Lines implements System.Logger {
    private final List<String> lines = new CopyOnWriteArrayList<>();

    List<String> all() {
        return lines;
    }

    @Override
    public String getName() {
        return "conformance";
    }

    @Override
    public boolean isLoggable(Level level) {
        return true;
    }

    @Override
    public void log(Level level, ResourceBundle bundle, String message, Throwable thrown) {
        lines.add(level + " " + message);
    }

    @Override
    public void log(Level level, ResourceBundle bundle, String format, Object... parameters) {
        lines.add(level + " " + format);
    }
}
