"""What the embedded engine tells beyond HCS, in values that no build of HCS sends.

Microsoft numbers its events in four places: systems from 0x00000001, processes from 0x00010000, the
service at 0x01000000 and 0x02000000, and groups from 0x80000000. Values of ours begin with 0x4843,
the letters HC, far from all of these. So an event of a later HCS cannot be taken for one of ours.
"""

from __future__ import annotations

# Unsigned, as HCS_EVENT.Type is. Sent for a system that has used up its memory, after the host has
# killed at least one of its processes. It has no document.
EVENT_OUT_OF_MEMORY = 0x48430001

# Members and properties that the documents of HCS do not have:
#
#   ProcessParameters.Tag              string, at most MAX_TAG characters. Names the start: whoever did
#                                      not hear the answer finds the process by it in KeptProcesses.
#   ProcessStatus.ExitTime             integer, nanoseconds since 1970. When the process was found to
#                                      have ended; only there if it has, and if that is known.
#   Properties.KeptProcesses           {"ProcessId": integer, "Tag": string, "Exited": boolean} for each
#                                      process that HcsCreateProcess started, until it has ended and
#                                      its last handle was closed after that. Asked for as a property
#                                      type of HcsGetComputeSystemProperties; missing before the start.
#
# An engine that outlives its clients keeps a process that has ended for HcsOpenProcess, too, as long
# as it is in KeptProcesses and no running one has its pid. HcsGetProcessInfo gives its stdio out again
# after a take-over, once. An output is missing there if it was closed, or if the process has ended and
# all of it was read. HcsModifyProcess then closes output handles of ended processes as well.
MAX_TAG = 128
KEPT_PROCESSES = "KeptProcesses"
