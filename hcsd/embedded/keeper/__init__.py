"""The keeper: the process that every process of one embedded compute system descends from.

The engine starts one keeper per system, as a small single-threaded Python without site-packages,
and talks to it over a socket pair. The keeper starts the system's processes, reaps them, signals
them, and reports their ends. Four promises rest on it being a process of its own:

* It is the subreaper of the system: a descendant whose parent dies becomes the keeper's child. So
  "belongs to the system" is "descends from the keeper", whatever sessions a process has made.
* The system ends when the engine says so: its half of the socket then reads end-of-file, and the keeper
  kills its descendants until it has none, and exits. If the engine dies, also by SIGKILL, the socket
  hangs up. Then the keeper waits for another engine, as long as it was told to, and then does the same.
* No process is forked from, and no child is reaped by, the threaded gRPC process. Starting a
  process never holds the daemon's interpreter lock.
* A signal cannot hit a reused pid. Only the keeper reaps, and it signals only what it has not
  reaped yet. What others reap, it kills through a pidfd that was checked after it was opened.

Each module imports only modules that are listed before it:

    frames      the messages and how they are framed     (the engine imports it, too)
    procfs      what Linux tells of processes            (the engine imports it, too)
    groups      what the kernel holds together          (the engine imports it, too)
    signalling  signals that hit nobody else             (the engine imports it, too)
    stopping    stopping and killing, so that none gets away
    origins     which process a stray can descend from
    families    who belongs together, and killing them   (the engine imports it, too)
    pauses      stopping and continuing every member
    requests    what the keeper and its starts are told (the engine imports it, too)
    spare       descriptors that are left for what is over soon (the engine imports it, too)
    limits      the resource limits of a process        (the engine imports it, too)
    accounts    whom a process runs as
    plan        what a child needs, prepared
    kernel      what Python has no function for
    child       from the fork to the program: the sequence of a start
    trees       the control group of each process that was started
    kept        what outlives the engine: exits, and copies of stdio
    attach      the line to the engine, and to the one that comes after it
    starts      processes on this way, and their time limit
    memory      what the kernel kills for want of memory
    children    adopting, signalling and reaping
    kills       killing such a group with all that is in it
    endings     the end of all that the keeper keeps
    loop        the main loop: requests in, answers and exits out
    __main__    the program

The package imports the standard library and itself, nothing else of hcsd. `__main__` says why.
"""
