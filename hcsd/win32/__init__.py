"""What the daemon needs of Windows besides the Host Compute Service: rights, console events."""
