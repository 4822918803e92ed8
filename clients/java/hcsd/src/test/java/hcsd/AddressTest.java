package hcsd;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.util.Map;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

class AddressTest {
    @ParameterizedTest
    @ValueSource(
            strings = {
                "unix:///run/hcsd/hcsd.sock",
                "unix:///with space/and%20percent",
                "localhost:7443",
                "127.0.0.1:0",
                "[::1]:65535",
                "my_host.example-1:1"
            })
    void isWrittenAsItWasRead(String text) {
        assertEquals(text, Address.parse(text).toString());
    }

    @Test
    void aSocketMayHaveOneSlashAsInTheNamesOfGrpc() {
        assertEquals("unix:///run/hcsd.sock", Address.parse("unix:/run/hcsd.sock").toString());
    }

    @Test
    void ipv6IsWrittenInItsShortForm() {
        assertEquals("::1", Address.parse("[0:0:0:0:0:0:0:1]:7443").host());
    }

    @ParameterizedTest
    @CsvSource({
        "unix:relative, not absolute",
        "unix://relative, not absolute",
        "unix:///folder/, does not name a file",
        "host, no port",
        "'', no port",
        ":7443, no host",
        "::1:7443, needs brackets",
        "[::x]:7443, not an IPv6 address",
        "[127.0.0.1]:7443, not an IPv6 address",
        "ho/st:7443, not a host",
        "host:70000, not a port",
        "host:-1, not a port",
        "host:, not a port",
        "host:٣, not a port"
    })
    void whatIsNoneIsRefusedWithTextAndProblem(String text, String problem) {
        HcsdException.BadAddress error =
                assertThrows(HcsdException.BadAddress.class, () -> Address.parse(text));
        assertTrue(error.getMessage().startsWith("'" + text + "'"), error.getMessage());
        assertTrue(error.getMessage().contains(problem), error.getMessage());
    }

    @Test
    void aPathMayHaveAsManyBytesAsASocketTakes() {
        String longest = "unix:///" + "é".repeat(53);
        assertEquals(longest, Address.parse(longest).toString());
        assertThrows(HcsdException.BadAddress.class, () -> Address.parse(longest + "x"));
    }

    @ParameterizedTest
    @ValueSource(strings = {"unix:///x", "localhost:1", "127.255.0.1:1", "[::1]:1"})
    void whatOnlyThisMachineReachesIsLoopback(String text) {
        assertTrue(Address.parse(text).isLoopback());
    }

    @ParameterizedTest
    @ValueSource(strings = {"localhost.example:1", "10.0.0.1:1", "[::2]:1", "0.0.0.0:1"})
    void whatOthersReachIsNotLoopback(String text) {
        assertFalse(Address.parse(text).isLoopback());
    }

    @Test
    void theDefaultIsTheVariableElseTheRuntimeFolder() {
        assertEquals(
                "[::1]:7443", Address.byDefault(Map.of("HCSD_ADDRESS", "[::1]:7443")).toString());
        assertEquals(
                "unix:///run/user/7/hcsd/hcsd.sock",
                Address.byDefault(Map.of("HCSD_ADDRESS", "", "XDG_RUNTIME_DIR", "/run/user/7"))
                        .toString());
        assertThrows(
                HcsdException.BadAddress.class,
                () -> Address.byDefault(Map.of("HCSD_ADDRESS", "nonsense")));
    }

    @Test
    void namesAreEncodedAsTheContractHasThem() {
        assertEquals("systems/a%2Fb%20%C3%A9/processes/x~@-_.1", Names.process("a/b é", "x~@-_.1"));
    }
}
