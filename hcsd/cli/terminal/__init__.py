"""The terminal that a person sits at: its raw mode, its modes, and the keys to detach."""
