"""Files and folders that nobody but the daemon's user may touch."""
