"""Times and sizes in units that people read."""

KIB = 1024


def ago(seconds: float) -> str:
    """Return for how long something has been, in its largest unit."""
    return f"{span(seconds)} ago"


def span(seconds: float) -> str:
    """Return a time in its largest unit."""
    for length, unit in ((86_400, "d"), (3_600, "h"), (60, "m")):
        if seconds >= length:
            return f"{int(seconds // length)}{unit}"
    return f"{max(0, int(seconds))}s"


def limit_size(count: int) -> str:
    """Return a number of bytes that somebody has chosen: as `size`, with no zero behind the point."""
    return size(count).replace(".0 ", " ")


def processors(millis: int) -> str:
    """Return a number of processors that is given in thousandths."""
    return f"{millis / 1000:g}"


def size(count: int) -> str:
    """Return a number of bytes in the largest unit that leaves at least one."""
    value, unit = float(count), "B"
    for larger in ("KiB", "MiB", "GiB", "TiB", "PiB"):
        if value < KIB:
            break
        value, unit = value / KIB, larger
    return f"{count} B" if unit == "B" else f"{value:.1f} {unit}"
