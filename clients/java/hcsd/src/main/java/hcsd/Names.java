package hcsd;

import java.nio.charset.StandardCharsets;

/**
 * Resource names: {@code systems/{system_id}} and {@code
 * systems/{system_id}/processes/{process_id}}.
 */
public final class Names {
    /** All systems, where a call takes them together. */
    public static final String ALL_SYSTEMS = "systems/-";

    /** The system that the embedded engine offers from its start. */
    public static final String HOST_SYSTEM = "systems/host";

    private Names() {}

    /**
     * Returns the name of the compute system that HCS knows by this id.
     *
     * @param systemId the id
     * @return the name
     */
    public static String system(String systemId) {
        return "systems/" + encode(systemId);
    }

    /**
     * Returns the name of a process in a system.
     *
     * @param systemId the id of the system
     * @param processId the id of the process, which is not its pid
     * @return the name
     */
    public static String process(String systemId, String processId) {
        return system(systemId) + "/processes/" + encode(processId);
    }

    private static String encode(String id) {
        StringBuilder encoded = new StringBuilder();
        for (byte octet : id.getBytes(StandardCharsets.UTF_8)) {
            boolean plain =
                    octet >= 'a' && octet <= 'z'
                            || octet >= 'A' && octet <= 'Z'
                            || octet >= '0' && octet <= '9'
                            || octet > 0 && "._~@-".indexOf(octet) >= 0;
            encoded.append(plain ? String.valueOf((char) octet) : "%%%02X".formatted(octet));
        }
        return encoded.toString();
    }
}
