"""The command line: `hcsd serve` and the client commands."""
