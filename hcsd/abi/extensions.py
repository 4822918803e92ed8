"""What the embedded engine tells beyond HCS, in values that no build of HCS sends.

Microsoft numbers its events in four places: systems from 0x00000001, processes from 0x00010000, the
service at 0x01000000 and 0x02000000, and groups from 0x80000000. Values of ours begin with 0x4843,
the letters HC, far from all of these. So an event of a later HCS cannot be taken for one of ours.
"""

from __future__ import annotations

# Unsigned, as HCS_EVENT.Type is. Sent for a system that has used up its memory, after the host has
# killed at least one of its processes. It has no document.
EVENT_OUT_OF_MEMORY = 0x48430001
