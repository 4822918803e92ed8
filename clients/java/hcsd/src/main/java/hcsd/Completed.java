package hcsd;

import hcsd.v1.ProcessExit;

/**
 * A process that has ended, and all of its output.
 *
 * @param exit how it ended
 * @param stdout what it wrote to stdout
 * @param stderr what it wrote to stderr
 */
public record Completed(ProcessExit exit, byte[] stdout, byte[] stderr) {}
