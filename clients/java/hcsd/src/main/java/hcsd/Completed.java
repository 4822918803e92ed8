package hcsd;

import hcsd.v1.CapturedOutput;
import hcsd.v1.ExecProcessResponse;
import hcsd.v1.ExitReason;
import hcsd.v1.ProcessExit;
import java.nio.charset.StandardCharsets;
import java.util.OptionalLong;

/**
 * A process that has ended, and its output, as {@link HcsdClient#exec} and {@link
 * RemoteProcess#communicate} return it.
 *
 * @param name its resource name
 * @param exit how it ended
 * @param stdout what it wrote to stdout; with a console, all output
 * @param stderr what it wrote to stderr
 * @param truncated whether the begin of an output is missing, since it was too much for one answer
 */
public record Completed(
        String name, ProcessExit exit, byte[] stdout, byte[] stderr, boolean truncated) {

    static Completed of(ExecProcessResponse answer) {
        return new Completed(
                answer.getProcess().getName(),
                answer.getProcess().getExit(),
                answer.getStdout().getData().toByteArray(),
                answer.getStderr().getData().toByteArray(),
                isCut(answer.getStdout()) || isCut(answer.getStderr()));
    }

    /**
     * Returns the exit code.
     *
     * @return the code, 0 to 4294967295; empty if nobody can tell
     */
    public OptionalLong exitCode() {
        return exit.hasExitCode()
                ? OptionalLong.of(Integer.toUnsignedLong(exit.getExitCode()))
                : OptionalLong.empty();
    }

    /**
     * Returns stdout as text, by UTF-8.
     *
     * @return the text; what is no UTF-8 is U+FFFD
     */
    public String text() {
        return new String(stdout, StandardCharsets.UTF_8);
    }

    /**
     * Returns stderr as text, by UTF-8.
     *
     * @return the text; what is no UTF-8 is U+FFFD
     */
    public String errorText() {
        return new String(stderr, StandardCharsets.UTF_8);
    }

    /**
     * Returns whether the process was killed, since its {@link StartOptions#runTimeout} was up.
     *
     * @return whether it was
     */
    public boolean timedOut() {
        return exit.getReason() == ExitReason.EXIT_REASON_RUN_TIMEOUT;
    }

    /**
     * Sees to it that the exit code is 0.
     *
     * @return this
     * @throws HcsdException.ProcessTimeout it was killed, since its time was up
     * @throws HcsdException.ProcessFailed it ended in another way
     */
    public Completed check() {
        inTime();
        if (!exit.hasExitCode() || exit.getExitCode() != 0) {
            throw new HcsdException.ProcessFailed(this);
        }
        return this;
    }

    Completed inTime() {
        if (timedOut()) {
            throw new HcsdException.ProcessTimeout(this);
        }
        return this;
    }

    private static boolean isCut(CapturedOutput output) {
        return output.getEndOffset() > output.getData().size();
    }
}
