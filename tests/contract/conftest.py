"""What every engine promises. The children of a POSIX host have promises of their own."""

import sys

collect_ignore = ["test_posix_child.py", "test_posix_start.py"] if sys.platform == "win32" else []
