package hcsd;

import com.google.common.net.InetAddresses;
import java.net.Inet6Address;
import java.net.InetAddress;
import java.nio.charset.StandardCharsets;
import java.util.Map;

/**
 * Where a daemon listens: a Unix socket ({@code path}) or a TCP port ({@code host} and {@code
 * port}).
 *
 * @param path absolute path of the socket; empty for TCP
 * @param host name or IP address, an IPv6 address without brackets; empty for a Unix socket
 * @param port TCP port; 0 for a Unix socket
 */
public record Address(String path, String host, int port) {
    /** The variable that has the address if a program names none. */
    public static final String ENVIRONMENT_VARIABLE = "HCSD_ADDRESS";

    private static final String WINDOWS_DEFAULT = "127.0.0.1:7443";
    // What sun_path of Linux has room for without its NUL: one limit for all systems.
    private static final int MAX_SOCKET_PATH_BYTES = 107;
    private static final int MAX_PORT = 0xFFFF;
    private static final String SYNTAX =
            "write unix:///path/to/socket, host:port or [IPv6 address]:port";

    /**
     * Reads an address: {@code unix:///path} or {@code unix:/path}, {@code host:port} or {@code
     * [IPv6]:port}.
     *
     * @param text the address as a user writes it
     * @return the address
     * @throws HcsdException.BadAddress it is none; the message has the text, what is wrong and what
     *     would be right
     */
    public static Address parse(String text) {
        if (text.startsWith("unix:")) {
            return new Address(parsePath(text), "", 0);
        }
        int colon = text.lastIndexOf(':');
        if (colon < 0) {
            throw new HcsdException.BadAddress(text, "it has no port", SYNTAX);
        }
        String host = parseHost(text, text.substring(0, colon));
        return new Address("", host, parsePort(text, text.substring(colon + 1)));
    }

    /**
     * Returns where a daemon is looked for by default: at {@code HCSD_ADDRESS}, else on POSIX at
     * {@code hcsd/hcsd.sock} in the first of these folders that applies: {@code XDG_RUNTIME_DIR};
     * {@code /run} for root; {@code XDG_STATE_HOME}; {@code ~/.local/state}. On Windows it is
     * {@code 127.0.0.1:7443}.
     *
     * @param environment the variables, as {@link System#getenv()} has them
     * @return the address
     * @throws HcsdException.BadAddress {@code HCSD_ADDRESS} is not an address
     */
    public static Address byDefault(Map<String, String> environment) {
        String text = environment.getOrDefault(ENVIRONMENT_VARIABLE, "");
        if (!text.isEmpty()) {
            return parse(text);
        }
        if (Folders.isWindows()) {
            return parse(WINDOWS_DEFAULT);
        }
        return parse("unix://" + Folders.runtime(environment) + "/hcsd/hcsd.sock");
    }

    /**
     * Returns whether it is a Unix socket.
     *
     * @return whether it is
     */
    public boolean isUnix() {
        return !path.isEmpty();
    }

    /**
     * Returns whether only this machine can reach it; a Unix socket counts. Where a name leads is
     * not known before it is looked up, so no name but {@code localhost} does.
     *
     * @return whether it is
     */
    public boolean isLoopback() {
        return isUnix()
                || host.equals("localhost")
                || InetAddresses.isInetAddress(host)
                        && InetAddresses.forString(host).isLoopbackAddress();
    }

    /** Returns the address in its usual form, which {@link #parse} takes back. */
    @Override
    public String toString() {
        if (isUnix()) {
            return "unix://" + path;
        }
        return (host.contains(":") ? "[" + host + "]" : host) + ":" + port;
    }

    private static String parsePath(String text) {
        String scheme = text.startsWith("unix://") ? "unix://" : "unix:";
        String path = text.substring(scheme.length());
        if (!path.startsWith("/")) {
            throw new HcsdException.BadAddress(
                    text, "the path of the socket is not absolute", SYNTAX);
        }
        if (path.indexOf('\0') >= 0 || path.endsWith("/")) {
            throw new HcsdException.BadAddress(text, "it does not name a file", SYNTAX);
        }
        if (path.getBytes(StandardCharsets.UTF_8).length > MAX_SOCKET_PATH_BYTES) {
            throw new HcsdException.BadAddress(
                    text,
                    "a socket's path has at most " + MAX_SOCKET_PATH_BYTES + " bytes",
                    "choose a shorter one");
        }
        return path;
    }

    private static String parseHost(String text, String host) {
        if (host.startsWith("[") && host.endsWith("]")) {
            return parseIpv6(text, host.substring(1, host.length() - 1));
        }
        if (host.isEmpty()) {
            throw new HcsdException.BadAddress(
                    text, "it has no host", "write 127.0.0.1:port for this machine");
        }
        if (host.contains(":")) {
            throw new HcsdException.BadAddress(
                    text, "an IPv6 address needs brackets", "write it as in [::1]:7443");
        }
        if (!host.chars().allMatch(c -> Character.isLetterOrDigit(c) || "-._".indexOf(c) >= 0)) {
            throw new HcsdException.BadAddress(text, "'" + host + "' is not a host", SYNTAX);
        }
        return host;
    }

    private static String parseIpv6(String text, String host) {
        if (InetAddresses.isInetAddress(host)) {
            InetAddress address = InetAddresses.forString(host);
            if (address instanceof Inet6Address) {
                return InetAddresses.toAddrString(address);
            }
        }
        throw new HcsdException.BadAddress(text, "'" + host + "' is not an IPv6 address", SYNTAX);
    }

    private static int parsePort(String text, String port) {
        if (port.matches("[0-9]{1,5}") && Integer.parseInt(port) <= MAX_PORT) {
            return Integer.parseInt(port);
        }
        throw new HcsdException.BadAddress(
                text, "'" + port + "' is not a port", "a port is a number up to " + MAX_PORT);
    }
}
