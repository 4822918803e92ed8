package hcsd;

import hcsd.v1.CreateProcessRequest;
import hcsd.v1.CreateProcessResponse;
import hcsd.v1.ExecProcessRequest;
import hcsd.v1.ExecProcessResponse;
import hcsd.v1.GetHostRequest;
import hcsd.v1.HostServiceGrpc;
import hcsd.v1.Process;
import hcsd.v1.ProcessServiceGrpc;
import java.util.concurrent.CompletableFuture;
import java.util.function.BiFunction;
import java.util.function.Predicate;

/**
 * The start of a process, or its run to the end, repeated until the daemon answers, and never done
 * twice.
 *
 * <p>The request id makes a daemon start one process. One that has lost its state does not know the
 * id, so each attempt is meant for one state, the incarnation, alone:
 *
 * <pre>
 * event                                                      next
 * no state of the daemon is known                            ask for it
 * it is known                                                ask it to create
 * no daemon reached, before any was                          that error
 * no daemon reached, a lost connection                       after a while the same again
 * the time of a piece is up                                  the same again, which joins the run
 * another state, and no attempt can have come to a daemon    ask for the state anew
 * another state, and one can have                            DaemonRestarted: nobody can tell
 * </pre>
 *
 * Only a run to the end is asked for in pieces.
 */
final class Creation<R> {
    private final Connection connection;
    private final String what; // for the log
    private final BiFunction<Connection, Pieces, CompletableFuture<R>> ask;
    private final Predicate<R> timedOut;
    private final Pieces pieces;
    private final Attempts attempts;
    private final Task<R> task = new Task<>();
    private boolean reached; // a daemon was
    private boolean arrived; // a create may have, at `run` of the daemon and at no other
    private String run = "";

    /**
     * @param ask asks one run of the daemon, by a request with an id
     * @param timedOut whether an answer is the end of a piece alone
     */
    private Creation(
            Connection connection,
            String what,
            BiFunction<Connection, Pieces, CompletableFuture<R>> ask,
            Predicate<R> timedOut) {
        this.connection = connection;
        this.what = what;
        this.ask = ask;
        this.timedOut = timedOut;
        this.pieces = new Pieces(connection.settings().keepalive());
        this.attempts = new Attempts(connection.settings(), what);
        this.reached = connection.isMet();
    }

    /** Starts a process; a cancellation of the future only ends the wait for it. */
    static CompletableFuture<Process> start(Connection connection, CreateProcessRequest request) {
        Creation<CreateProcessResponse> creation =
                new Creation<>(
                        connection,
                        "CreateProcess",
                        (pinned, piece) ->
                                pinned.ask(ProcessServiceGrpc.getCreateProcessMethod(), request),
                        answer -> false);
        creation.attempt();
        return Task.mapped(creation.task, CreateProcessResponse::getProcess);
    }

    /** Runs a process to its end; a cancellation of the future makes the daemon kill it. */
    static CompletableFuture<ExecProcessResponse> runToEnd(
            Connection connection, ExecProcessRequest.Builder request) {
        Creation<ExecProcessResponse> creation =
                new Creation<>(
                        connection,
                        "ExecProcess",
                        (pinned, piece) ->
                                pinned.ask(
                                        ProcessServiceGrpc.getExecProcessMethod(),
                                        request.setTimeout(piece.begin()).build(),
                                        piece.limit()),
                        ExecProcessResponse::getTimedOut);
        creation.attempt();
        return creation.task;
    }

    private void attempt() {
        if (!arrived) {
            run = connection.incarnation().get();
        }
        if (run.isEmpty()) {
            task.after(
                    connection.ask(
                            HostServiceGrpc.getGetHostMethod(),
                            GetHostRequest.getDefaultInstance()),
                    (host, error) -> {
                        if (error == null) {
                            reached = true;
                            attempts.succeeded();
                            run = host.getIncarnation();
                            connection.incarnation().set(run);
                            create();
                        } else {
                            failed(error);
                        }
                    });
        } else {
            create();
        }
    }

    private void create() {
        task.after(ask.apply(connection.pinned(run), pieces), this::ended);
    }

    private void ended(R answer, Throwable error) {
        if (error == null) {
            if (timedOut.test(answer)) {
                reached = true;
                arrived = true;
                attempts.succeeded();
                attempt();
            } else {
                task.settle(answer, null);
            }
            return;
        }
        if (error instanceof HcsdException.DaemonRestarted) {
            connection.incarnation().compareAndSet(run, "");
            if (!arrived) {
                connection.settings().journal().restarted(what);
                attempt();
                return;
            }
        }
        if (error instanceof HcsdException.Unavailable unavailable) {
            boolean refused = unavailable.retryDelay().isPresent(); // nothing has happened then
            arrived |= !(refused || error instanceof HcsdException.DaemonUnreachable);
            pieces.failed(unavailable);
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
