package hcsd;

import hcsd.v1.CreateProcessRequest;
import hcsd.v1.CreateProcessResponse;
import hcsd.v1.GetHostRequest;
import hcsd.v1.HostServiceGrpc;
import hcsd.v1.Process;
import hcsd.v1.ProcessServiceGrpc;
import java.util.concurrent.CompletableFuture;

/**
 * The start of a process, repeated until the daemon answers, and never done twice.
 *
 * <p>The request id makes one run of the daemon start one process. Another run does not know the
 * id, so each attempt is meant for one run alone:
 *
 * <pre>
 * event                                                      next
 * no run of the daemon is known                              ask for it
 * it is known                                                ask it to create
 * no daemon reached, before any was                          that error
 * no daemon reached, a lost connection                       after a while the same again
 * another run, and no attempt can have come to a daemon      ask for the run anew
 * another run, and one can have                              DaemonRestarted: nobody can tell
 * </pre>
 */
final class Creation {
    private static final String WHAT = "CreateProcess"; // for the log

    private final Connection connection;
    private final CreateProcessRequest request; // with a request id
    private final Attempts attempts;
    private final Task<Process> task = new Task<>();
    private boolean reached; // a daemon was
    private boolean arrived; // a create may have

    private Creation(Connection connection, CreateProcessRequest request) {
        this.connection = connection;
        this.request = request;
        this.attempts = new Attempts(connection.settings(), WHAT);
    }

    /** Starts a process; a cancellation of the future only ends the wait for it. */
    static CompletableFuture<Process> start(Connection connection, CreateProcessRequest request) {
        Creation creation = new Creation(connection, request);
        creation.attempt();
        return creation.task;
    }

    private void attempt() {
        String run = connection.incarnation().get();
        if (run.isEmpty()) {
            task.after(
                    connection.ask(
                            HostServiceGrpc.getGetHostMethod(),
                            GetHostRequest.getDefaultInstance()),
                    (host, error) -> {
                        if (error == null) {
                            reached = true;
                            attempts.succeeded();
                            connection.incarnation().set(host.getIncarnation());
                            create(host.getIncarnation());
                        } else {
                            failed(error);
                        }
                    });
        } else {
            create(run);
        }
    }

    private void create(String run) {
        task.after(
                connection.pinned(run).ask(ProcessServiceGrpc.getCreateProcessMethod(), request),
                (answer, error) -> created(run, answer, error));
    }

    private void created(String run, CreateProcessResponse answer, Throwable error) {
        if (error == null) {
            connection.incarnation().set(answer.getProcess().getIncarnation());
            task.settle(answer.getProcess(), null);
            return;
        }
        if (error instanceof HcsdException.DaemonRestarted) {
            connection.incarnation().compareAndSet(run, "");
            if (!arrived) {
                connection.settings().journal().restarted(WHAT);
                attempt();
                return;
            }
        }
        if (error instanceof HcsdException.Unavailable unavailable) {
            boolean refused = unavailable.retryDelay().isPresent(); // nothing has happened then
            arrived |= !(refused || error instanceof HcsdException.DaemonUnreachable);
        }
        failed(error);
    }

    private void failed(Throwable error) {
        boolean first = error instanceof HcsdException.DaemonUnreachable && !reached;
        if (error instanceof HcsdException.Unavailable unavailable && !first) {
            reached = true;
            attempts.again(task, unavailable, this::attempt);
        } else {
            task.settle(null, error);
        }
    }
}
