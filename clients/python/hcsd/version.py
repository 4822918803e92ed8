"""The version of hcsd: the one place that states it, for both Python distributions.

The daemon requires `hcsd-client` of exactly its own version, so this is the version of both. It is
here because each of the two must be built from its own folder, and the daemon is never without the
client. Nothing is imported here: `hcsd --version` has to be quick.
"""

__version__ = "0.1.0"
