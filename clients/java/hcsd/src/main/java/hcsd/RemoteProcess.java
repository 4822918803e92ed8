package hcsd;

import hcsd.v1.DeleteProcessResponse;
import hcsd.v1.OutputCursor;
import hcsd.v1.OutputStream;
import hcsd.v1.Process;
import hcsd.v1.ProcessExit;
import hcsd.v1.ProcessSignal;
import hcsd.v1.ProcessState;
import hcsd.v1.SignalProcessResponse;
import hcsd.v1.TerminateProcessResponse;
import hcsd.v1.TerminateScope;
import java.time.Duration;
import java.time.Instant;
import java.util.Objects;
import java.util.Queue;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ConcurrentLinkedQueue;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.TimeoutException;

/**
 * A process of the daemon, as {@link HcsdClient#run}, {@link HcsdClient#create} and {@link
 * HcsdClient#open} give it.
 *
 * <p>It is not bound to a connection: what it reads, writes and waits for goes on where it stopped
 * when the daemon is reached again, within the bounds of {@link Retry}, and without the caller
 * noticing. Only a signal is never sent twice. All that is asked for is meant for this process
 * alone: if the daemon was started anew without its state, which ends its processes, every method
 * throws {@link HcsdException.DaemonRestarted}. And if the process was deleted and another one got
 * its name, what is read or waited for throws {@link HcsdException.NotFound}.
 *
 * <p>What is written, sent or asked to end goes by the name, so with a {@code process_id} that is
 * used again after a deletion by somebody else it would reach the later process. Ids that the
 * daemon issues, which is what it does by default, are never used again.
 *
 * <p>Methods throw {@link HcsdException.DaemonRestarted}; {@link HcsdException.NotFound}, the
 * process was deleted; {@link HcsdException.Unavailable}, the daemon was out of reach for too long;
 * and the errors of every call, see {@link HcsdClient}. An interrupt ends the call with an {@link
 * InterruptedException}, and so does cancelling the future of a method whose name ends in {@code
 * Async}: it changes nothing about the process. All methods may be called from any thread.
 */
public final class RemoteProcess implements AutoCloseable {
    private static final TerminateScope BY_DEFAULT =
            TerminateScope.TERMINATE_SCOPE_TREE_BEST_EFFORT;
    private static final long LEAVE_SECONDS = 5; // to end a process that is left; arbitrary

    private final Connection connection;
    private final Process created;
    private final ProcessCalls calls;
    private final boolean killedWhenLeft;
    private final Ownership ownership; // null if this program does not own it
    private final Queue<Runnable> readers = new ConcurrentLinkedQueue<>(); // what closes them
    private final RemoteOutput stdout;
    private final RemoteOutput stderr;
    private final RemoteInput stdin;

    private volatile ProcessExit exit; // null until it is known

    RemoteProcess(
            Connection connection,
            Process created,
            long stdinOffset,
            boolean killedWhenLeft,
            boolean owned) {
        this.connection = connection.pinned(created.getIncarnation());
        this.created = created;
        this.calls = new ProcessCalls(this.connection, created);
        this.killedWhenLeft = killedWhenLeft;
        this.stdin = new RemoteInput(this.connection, created.getName(), stdinOffset);
        this.stdout = fromStart(OutputStream.OUTPUT_STREAM_STDOUT);
        this.stderr = fromStart(OutputStream.OUTPUT_STREAM_STDERR);
        this.ownership = owned ? Ownership.of(this.connection, created.getName()) : null;
    }

    /**
     * Returns its resource name.
     *
     * @return the name
     */
    public String name() {
        return created.getName();
    }

    /**
     * Returns its process id in the guest.
     *
     * @return the pid
     */
    public long pid() {
        return Integer.toUnsignedLong(created.getPid());
    }

    /**
     * Returns the process as it was when this object was made; see {@link #get} for now.
     *
     * @return the process
     */
    public Process created() {
        return created;
    }

    /**
     * Returns its stdin.
     *
     * @return always the same object
     */
    public RemoteInput stdin() {
        return stdin;
    }

    /**
     * Returns its stdout from the first byte on; with a console, all output.
     *
     * @return always the same object
     */
    public RemoteOutput stdout() {
        return stdout;
    }

    /**
     * Returns its stderr from the first byte on.
     *
     * @return always the same object
     */
    public RemoteOutput stderr() {
        return stderr;
    }

    /**
     * Reads an output once more, or from another place; any number may be read at a time.
     *
     * @param cursor which stream, and where to begin
     * @param skipGaps whether to go on behind bytes that are gone, and count them, rather than fail
     * @return the output
     */
    public RemoteOutput output(OutputCursor cursor, boolean skipGaps) {
        RemoteOutput output = new RemoteOutput(connection, created, cursor, skipGaps);
        readers.add(output::close);
        return output;
    }

    /**
     * Returns each line of both outputs as text, in the order in which the daemon read them, from
     * the oldest that is kept to the end of both.
     *
     * <p>A lost connection shows only as a pause, as with a {@link RemoteOutput}, and the errors
     * are the same. It is a reader of its own: a process of {@link HcsdClient#run} waits for it. A
     * line over 1 MiB comes in pieces.
     *
     * @return the lines, to be closed; {@link #close} does so, too
     */
    public MessageStream<Line> lines() {
        return lines(new LineReader(connection, created));
    }

    /**
     * As {@link #lines()}, beginning with some of the last lines.
     *
     * @param last how many of them, over both outputs; what goes missing afterwards is skipped
     * @return the lines, to be closed
     * @throws IllegalArgumentException it is negative
     */
    public MessageStream<Line> lines(int last) {
        if (last < 0) {
            throw new IllegalArgumentException("last %d: it must not be negative".formatted(last));
        }
        return lines(new LineReader(connection, created, last));
    }

    /**
     * As {@link #lines()}, without what the daemon has read before a time.
     *
     * @param since the time; what goes missing afterwards is skipped
     * @return the lines, to be closed
     */
    public MessageStream<Line> lines(Instant since) {
        return lines(new LineReader(connection, created, since));
    }

    /**
     * Returns the process as it is now.
     *
     * @return the process
     * @throws InterruptedException the thread was interrupted
     */
    public Process get() throws InterruptedException {
        return Task.await(getAsync());
    }

    /**
     * As {@link #get}.
     *
     * @return the process
     */
    public CompletableFuture<Process> getAsync() {
        return calls.get();
    }

    /**
     * Waits for the exit, which waits for no output.
     *
     * @return how the process ended; of one that HCS has lost the outcome is {@code unknown}, until
     *     it is found again
     * @throws InterruptedException the thread was interrupted
     */
    public ProcessExit waitFor() throws InterruptedException {
        return Task.await(waitForAsync());
    }

    /**
     * Waits for the exit, but not for ever.
     *
     * @param timeout how long to wait at the most
     * @return as {@link #waitFor()}
     * @throws TimeoutException the time is up; the process goes on
     * @throws InterruptedException the thread was interrupted
     */
    public ProcessExit waitFor(Duration timeout) throws InterruptedException, TimeoutException {
        return Task.await(waitForAsync(), timeout);
    }

    /**
     * As {@link #waitFor()}.
     *
     * @return how the process ended
     */
    public CompletableFuture<ProcessExit> waitForAsync() {
        return exit == null
                ? Task.mapped(calls.exit(), this::exitOf)
                : CompletableFuture.completedFuture(exit);
    }

    /**
     * Sends a signal; that the process has exited is no error, but in the answer.
     *
     * <p>It is sent at most once: if the connection is lost, it may have been delivered. While the
     * daemon is away it is not sent, and waits.
     *
     * @param name its name, with or without {@code SIG}
     * @return what became of it
     * @throws InterruptedException the thread was interrupted
     */
    public SignalProcessResponse signal(String name) throws InterruptedException {
        return Task.await(signalAsync(ProcessSignal.newBuilder().setSignalName(name).build()));
    }

    /**
     * As {@link #signal(String)}, by its number in the guest.
     *
     * @param number the number
     * @return what became of it
     * @throws InterruptedException the thread was interrupted
     */
    public SignalProcessResponse signal(int number) throws InterruptedException {
        return Task.await(signalAsync(ProcessSignal.newBuilder().setSignalNumber(number).build()));
    }

    /**
     * As {@link #signal(String)}, of any kind.
     *
     * @param signal what to send
     * @return what became of it
     */
    public CompletableFuture<SignalProcessResponse> signalAsync(ProcessSignal signal) {
        return calls.signal(signal);
    }

    /**
     * Kills the process and its descendants, and waits until the process has exited. That it has
     * exited before is no error: then what is left of its descendants is killed. An interrupt ends
     * the wait only: the kill comes all the same.
     *
     * <p>Where the engine cannot tell what descends from the process, the process alone is killed.
     *
     * @return what the kill reached, {@code scope_applied}, and how many descendants that were
     * @throws InterruptedException the thread was interrupted
     */
    public TerminateProcessResponse terminate() throws InterruptedException {
        return terminate(Duration.ZERO);
    }

    /**
     * As {@link #terminate()}, after a TERM signal to the process.
     *
     * @param gracePeriod how long it gets after the signal before the kill
     * @return as {@link #terminate()}
     * @throws InterruptedException the thread was interrupted
     */
    public TerminateProcessResponse terminate(Duration gracePeriod) throws InterruptedException {
        return terminate(BY_DEFAULT, gracePeriod);
    }

    /**
     * As {@link #terminate(Duration)}, of what the scope says.
     *
     * @param scope {@code TREE_BEST_EFFORT}, as {@link #terminate()}; {@code TREE}, which fails
     *     where the tree cannot be killed; or {@code PROCESS}, which leaves the descendants alone
     * @param gracePeriod how long the process gets after a TERM signal before the kill; zero for
     *     none
     * @return as {@link #terminate()}
     * @throws HcsdException.Unimplemented the scope is {@code TREE}, and the engine cannot do that
     * @throws InterruptedException the thread was interrupted
     */
    public TerminateProcessResponse terminate(TerminateScope scope, Duration gracePeriod)
            throws InterruptedException {
        return Task.await(terminateAsync(scope, gracePeriod));
    }

    /**
     * As {@link #terminate(Duration)}.
     *
     * @param gracePeriod as there; zero for none
     * @return completes when the process has exited
     */
    public CompletableFuture<TerminateProcessResponse> terminateAsync(Duration gracePeriod) {
        return terminateAsync(BY_DEFAULT, gracePeriod);
    }

    /**
     * As {@link #terminate(TerminateScope, Duration)}.
     *
     * @param scope as there
     * @param gracePeriod as there
     * @return completes when the process has exited
     */
    public CompletableFuture<TerminateProcessResponse> terminateAsync(
            TerminateScope scope, Duration gracePeriod) {
        return calls.terminate(scope, gracePeriod);
    }

    /**
     * Changes the size of the console, in character cells.
     *
     * @param columns its width
     * @param rows its height
     * @throws HcsdException.FailedPrecondition the process has no console, or has exited
     * @throws InterruptedException the thread was interrupted
     */
    public void resize(int columns, int rows) throws InterruptedException {
        Task.await(resizeAsync(columns, rows));
    }

    /**
     * As {@link #resize}.
     *
     * @param columns its width
     * @param rows its height
     * @return completes when it is done
     */
    public CompletableFuture<Void> resizeAsync(int columns, int rows) {
        return Task.mapped(calls.resize(columns, rows), answer -> null);
    }

    /**
     * Makes the daemon forget the process, with its exit and output; idempotent.
     *
     * @param force whether to kill it first, with its descendants, as {@link #terminate()} does
     * @return what the kill reached
     * @throws HcsdException.FailedPrecondition it is running
     * @throws InterruptedException the thread was interrupted
     */
    public DeleteProcessResponse delete(boolean force) throws InterruptedException {
        return Task.await(deleteAsync(force));
    }

    /**
     * As {@link #delete(boolean)}, killing first what the scope says.
     *
     * @param scope as in {@link #terminate(TerminateScope, Duration)}
     * @return what the kill reached
     * @throws HcsdException.Unimplemented as there
     * @throws InterruptedException the thread was interrupted
     */
    public DeleteProcessResponse delete(TerminateScope scope) throws InterruptedException {
        return Task.await(deleteAsync(scope));
    }

    /**
     * As {@link #delete(boolean)}.
     *
     * @param force as there
     * @return completes when it is done
     */
    public CompletableFuture<DeleteProcessResponse> deleteAsync(boolean force) {
        return calls.delete(force ? BY_DEFAULT : null);
    }

    /**
     * As {@link #delete(TerminateScope)}.
     *
     * @param scope as there
     * @return completes when it is done
     */
    public CompletableFuture<DeleteProcessResponse> deleteAsync(TerminateScope scope) {
        return calls.delete(Objects.requireNonNull(scope));
    }

    /**
     * Writes to stdin, closes it, reads both outputs to their ends, and waits for the exit.
     *
     * @param input what to write; that the process does not read all of it is no error
     * @return how it ended, and what it wrote
     * @throws InterruptedException the thread was interrupted
     */
    public Completed communicate(byte[] input) throws InterruptedException {
        return Task.await(communicateAsync(input));
    }

    /**
     * As {@link #communicate}.
     *
     * @param input what to write
     * @return how it ended, and what it wrote
     */
    public CompletableFuture<Completed> communicateAsync(byte[] input) {
        return Conversation.start(this, input);
    }

    /**
     * Leaves the process: one of {@link HcsdClient#run} is killed with its descendants, also if it
     * has exited and they have not, within 5 s or else without waiting for it, whatever the daemon
     * says to that; any other goes on. The streams are given up. Idempotent.
     */
    @Override
    public void close() {
        if (killedWhenLeft) {
            kill();
        }
        if (ownership != null) {
            ownership.close();
        }
        readers.forEach(Runnable::run);
    }

    private void kill() {
        CompletableFuture<TerminateProcessResponse> killing = terminateAsync(Duration.ZERO);
        long end = System.nanoTime() + TimeUnit.SECONDS.toNanos(LEAVE_SECONDS);
        boolean interrupted = false;
        while (true) {
            try {
                killing.get(end - System.nanoTime(), TimeUnit.NANOSECONDS);
                break;
            } catch (InterruptedException interrupt) {
                interrupted = true; // the kill must have reached the daemon all the same
            } catch (ExecutionException | TimeoutException error) {
                killing.cancel(true);
                break;
            }
        }
        if (interrupted) {
            Thread.currentThread().interrupt();
        }
    }

    private ProcessExit exitOf(Process process) {
        if (process.getState() == ProcessState.PROCESS_STATE_EXITED) {
            exit = process.getExit(); // not of LOST, which may be found again
        }
        return process.getExit();
    }

    private MessageStream<Line> lines(LineReader reader) {
        readers.add(reader::close);
        return reader;
    }

    private RemoteOutput fromStart(OutputStream stream) {
        return output(OutputCursor.newBuilder().setStream(stream).build(), false);
    }
}
