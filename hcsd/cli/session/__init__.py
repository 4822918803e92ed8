"""`hcsd run` and `hcsd attach` while they run: streams, signals, and how a process ended."""
