"""What is compiled with mingw is collected where mingw is: `make test-windows` installs it."""

import shutil

from tests.windows.places import COMPILER

collect_ignore = [] if shutil.which(COMPILER) else ["test_mingw.py"]
