/**
 * Client of hcsd, the daemon that gives any language the processes of the Windows Host Compute
 * Service.
 *
 * <p>{@link hcsd.HcsdClient} is where it begins: {@code run} is for a process that ends with its
 * block, {@code create} for one that lives on, {@code open} for one that is there. Each gives a
 * {@link hcsd.RemoteProcess}, whose streams and waits survive lost connections. What fails is a
 * {@link hcsd.HcsdException}. The messages are those of {@code hcsd.v1}, generated from the
 * contract.
 */
package hcsd;
