package hcsd;

import static hcsd.v1.TerminateScope.TERMINATE_SCOPE_PROCESS;
import static hcsd.v1.TerminateScope.TERMINATE_SCOPE_TREE;
import static hcsd.v1.TerminateScope.TERMINATE_SCOPE_TREE_BEST_EFFORT;
import static hcsd.v1.TerminateScope.TERMINATE_SCOPE_UNSPECIFIED;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertInstanceOf;

import hcsd.v1.CreateProcessRequest;
import hcsd.v1.DeleteProcessRequest;
import hcsd.v1.GetHostRequest;
import hcsd.v1.TerminateProcessRequest;
import hcsd.v1.TerminateProcessResponse;
import hcsd.v1.TerminateScope;
import java.time.Duration;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;

/** What ends a process, and what goes with it. */
@Timeout(60)
class EndTest {
    private ScriptedDaemon daemon;
    private HcsdClient client;

    @BeforeEach
    void start() throws Exception {
        daemon = new ScriptedDaemon();
        client = daemon.client(3);
    }

    @AfterEach
    void stop() throws Exception {
        client.close();
        daemon.stop();
    }

    @Test
    void theEndOfARunEndsTheTreeAndThatOfACreationNothing() throws Exception {
        client.run("x").close();
        assertInstanceOf(GetHostRequest.class, daemon.received.take());
        assertInstanceOf(CreateProcessRequest.class, daemon.received.take());
        assertEquals(TERMINATE_SCOPE_TREE_BEST_EFFORT, terminated());
        client.create("x").close();
        assertInstanceOf(CreateProcessRequest.class, daemon.received.take());
        assertEquals(0, daemon.received.size());
    }

    @Test
    void aTerminationIsOfTheTreeUnlessTheCallerSaysOtherwise() throws Exception {
        RemoteProcess process = open();
        TerminateProcessResponse ended = process.terminate();
        assertEquals(TERMINATE_SCOPE_TREE, ended.getScopeApplied());
        assertEquals(3, ended.getDescendantsKilled());
        assertEquals(TERMINATE_SCOPE_TREE_BEST_EFFORT, terminated());
        process.terminate(Duration.ofSeconds(1));
        assertEquals(TERMINATE_SCOPE_TREE_BEST_EFFORT, terminated());
        process.terminate(TERMINATE_SCOPE_PROCESS, Duration.ZERO);
        assertEquals(TERMINATE_SCOPE_PROCESS, terminated());
    }

    @Test
    void aForcedDeletionIsOfTheTreeUnlessTheCallerSaysOtherwise() throws Exception {
        RemoteProcess process = open();
        assertEquals(TERMINATE_SCOPE_PROCESS, process.delete(true).getScopeApplied());
        assertEquals(TERMINATE_SCOPE_TREE_BEST_EFFORT, deleted());
        process.delete(false);
        assertEquals(TERMINATE_SCOPE_UNSPECIFIED, deleted());
        process.delete(TERMINATE_SCOPE_TREE);
        assertEquals(TERMINATE_SCOPE_TREE, deleted());
    }

    private RemoteProcess open() throws Exception {
        RemoteProcess process = client.open("systems/host/processes/p");
        daemon.received.clear();
        return process;
    }

    private TerminateScope terminated() throws Exception {
        return assertInstanceOf(TerminateProcessRequest.class, daemon.received.take()).getScope();
    }

    private TerminateScope deleted() throws Exception {
        return assertInstanceOf(DeleteProcessRequest.class, daemon.received.take()).getScope();
    }
}
