package hcsd;

import java.time.Duration;

/**
 * What the calls of a client have in common.
 *
 * @param timeout of calls that wait for nothing; null for none
 */
record Settings(Retry retry, Keepalive keepalive, Duration timeout, Journal journal) {}
