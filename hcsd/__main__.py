"""Run the command line as ``python -m hcsd``."""

from hcsd.cli.main import main

if __name__ == "__main__":
    main()
