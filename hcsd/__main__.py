"""The command `hcsd`, also as ``python -m hcsd``."""

import sys


def main() -> None:
    """Run the command line; an interrupt while it is being loaded is no reason for a traceback."""
    try:
        from hcsd.cli.main import main as run  # noqa: PLC0415
    except KeyboardInterrupt:
        sys.exit(130)  # `exit_codes.INTERRUPTED`, which may not be loaded yet
    run()


if __name__ == "__main__":
    main()
