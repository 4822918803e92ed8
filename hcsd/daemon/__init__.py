"""What the daemon knows and does, whoever asks it and by which protocol.

Nothing here knows gRPC, a message of the contract, or a status code: `hcsd.rpc` turns requests into
calls of this package, and its errors into answers.

Thread: all of it runs on the event loop, without locks. What must be atomic has no await in it.
"""
