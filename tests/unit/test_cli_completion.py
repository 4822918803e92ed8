"""What shells are offered for a name means itself in every one of them."""

import re
from urllib.parse import unquote

from hypothesis import example, given
from hypothesis import strategies as st

from hcsd.cli.complete_names import plain_process, plain_system
from hcsd.cli.resource_names import ids_of, process_of, system_of

# Without what is special to bash, zsh (with all of its options), fish or PowerShell, and without
# what ends a word for the completion of bash.
PLAIN = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.+%/-]*")

ids = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), min_size=1)


@given(ids)
@example("$(touch x)")
@example("`touch x`")
@example("-rf")
@example("~")
@example("a~b")
@example("*")
@example("\x1b[2J\n'\"")
@example("systems/host")
@example("a:b=c@d")
def test_an_offered_system_needs_no_quotes_and_is_that_system(system_id: str) -> None:
    offered = plain_system(system_id)
    assert PLAIN.fullmatch(offered)
    assert unquote(system_of(offered).removeprefix("systems/")) == system_id


@given(ids, st.from_regex(r"[A-Za-z0-9][A-Za-z0-9._-]{0,9}", fullmatch=True))
def test_an_offered_process_needs_no_quotes_and_is_that_process(system: str, process: str) -> None:
    offered = plain_process(system, process)
    assert PLAIN.fullmatch(offered)
    assert ids_of(process_of(offered, None)) == (system, process)
    assert process_of(plain_process("host", process), None) == f"systems/host/processes/{process}"


def test_plain_names_are_offered_as_they_are() -> None:
    assert plain_system("web-1.x_y") == "web-1.x_y"
    assert plain_process("host", "build") == "build"
