package hcsd;

import hcsd.v1.ProcessServiceGrpc;
import hcsd.v1.RunAttach;
import hcsd.v1.RunProcessRequest;
import hcsd.v1.RunProcessResponse;
import java.util.Optional;

/**
 * The hold of this program on a process: while it lasts, the process may run.
 *
 * <pre>
 * state     event                                  next
 * HOLDING   a message                              HOLDING
 * HOLDING   a lost connection                      HOLDING, by another call, after a while
 * HOLDING   the process has ended, or is deleted   OVER
 * HOLDING   any other error                        OVER, and the log says so
 * any       close()                                OVER, and the daemon begins to count the grace
 * </pre>
 *
 * <p>It is not given up while the daemon is out of reach: only that knows when the grace is over.
 */
final class Ownership implements AutoCloseable {
    private final Connection connection;
    private final String process;
    private final Attempts attempts;
    private final Task<Void> task = new Task<>();
    private CallStream<RunProcessResponse> call; // of the present step alone

    private Ownership(Connection connection, String process) {
        this.connection = connection;
        this.process = process;
        this.attempts =
                new Attempts(connection.settings(), "RunProcess of the owner of " + process, true);
    }

    /** Takes hold of a process in the background; whoever wants to know reads its end. */
    static Ownership of(Connection connection, String process) {
        Ownership ownership = new Ownership(connection, process);
        ownership.task.exceptionally(
                error -> {
                    ownership.over(error);
                    return null;
                });
        ownership.attach();
        return ownership;
    }

    /** Lets go of the process; idempotent. */
    @Override
    public void close() {
        task.cancel(true);
    }

    private void attach() {
        RunProcessRequest request =
                RunProcessRequest.newBuilder()
                        .setAttach(
                                RunAttach.newBuilder()
                                        .setName(process)
                                        .setOwner(true)
                                        .setWithoutOutput(true))
                        .setHeartbeatInterval(connection.settings().keepalive().heartbeat())
                        .build();
        call =
                new CallStream<>(
                        connection,
                        ProcessServiceGrpc.getRunProcessMethod(),
                        request,
                        Limit.NONE,
                        connection.settings().keepalive().silence());
        next();
    }

    private void next() {
        task.after(call.nextAsync(), this::take);
    }

    private void take(Optional<RunProcessResponse> message, Throwable error) {
        if (error instanceof HcsdException.Unavailable lost) {
            if (call.isHeard()) {
                attempts.succeeded();
            }
            attempts.again(task, lost, this::attach);
        } else if (error != null || message.isEmpty()) {
            task.settle(null, error);
        } else {
            next();
        }
    }

    private void over(Throwable error) {
        boolean expected =
                task.isCancelled()
                        || error instanceof HcsdException.NotFound
                        || error instanceof HcsdException.DaemonRestarted
                        || error instanceof HcsdException.ClientClosed;
        if (!expected) {
            connection.settings().journal().notOwned(process, error);
        }
    }
}
