"""Reading the configuration file again while the daemon runs.

    file ──wrong──▶ nothing changes
      └──▶ what it gives each option ──as before──▶ -
                 └──another value──live──▶ it holds
                                └──▶ it is told that it needs a restart

What the command line or the environment gives an option holds, whatever the file says. SIGHUP and
`hcsd reload` both do this. Thread: that of the event loop.
"""

from __future__ import annotations

import dataclasses
import logging
from typing import TYPE_CHECKING

from hcsd.cli.configuration import FILE, comes_from, misfits, read_configuration
from hcsd.cli.configuration_entries import entries_of
from hcsd.daemon.changed_setting import ChangedSetting
from hcsd.daemon.errors import ConfigurationError
from hcsd.daemon.on_stop import OnStop
from hcsd.daemon.settings import OPTIONS, Limits

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import typer

    from hcsd.cli.configuration import Configuration
    from hcsd.cli.configuration_entries import Entry
    from hcsd.rpc.server import Server

logger = logging.getLogger(__name__)


class Reload:
    """Reads the file of a daemon again.

    Args:
        context: That of its `hcsd serve`, which has a file.
        server: The daemon.
        keeps_state: Whether it has a state with which the next daemon can go on.
    """

    def __init__(self, context: typer.Context, server: Server, *, keeps_state: bool) -> None:
        self._context = context
        self._server = server
        self._in_force = dict(context.params)
        self._entries = entries_of(context)
        self._keeps_state = keeps_state

    def __call__(self) -> Sequence[ChangedSetting]:
        """Read the file, apply what can be applied, and log what differs.

        Returns:
            What differs from the settings in force, in the order of the options.

        Raises:
            ConfigurationError: Something is wrong with the file; nothing has changed.
        """
        file = read_configuration(self._file.path, self._context)
        wanted = self._wanted(file)
        problems = [*map(str, file.problems)] or self._misfits(file, wanted)
        if problems:
            raise ConfigurationError(*problems)
        self._context.meta[FILE] = file
        changed = {
            name: ChangedSetting(
                self._entries[name].key,
                _text(self._entries[name], self._in_force[name]),
                _text(self._entries[name], value),
                is_applied=self._can_apply(name, value),
            )
            for name, value in wanted.items()
            if value != self._in_force[name]
        }
        for it in changed.values():  # before the lowest level to log may change
            logger.log(logging.INFO if it.is_applied else logging.WARNING, "%s", it)
        self._in_force |= {name: wanted[name] for name, it in changed.items() if it.is_applied}
        self._apply()
        return list(changed.values())

    def on_signal(self) -> None:
        """Do it because a signal asks for it; what is wrong goes to the log alone."""
        try:
            if not self():
                logger.info("the configuration is as it was")
        except ConfigurationError as error:
            logger.error("the configuration stays as it was: %s", error)  # noqa: TRY400  (no traceback)

    def _can_apply(self, name: str, value: object) -> bool:
        """Return whether an option can have a value while the daemon runs."""
        needs_state = name == "on_stop" and value == OnStop.KEEP
        return self._entries[name].is_live and (self._keeps_state or not needs_state)

    @property
    def _file(self) -> Configuration:
        file: Configuration = self._context.meta[FILE]
        return file

    def _wanted(self, file: Configuration) -> dict[str, object]:
        """Return the value of each option, by a file."""
        wanted = {}
        for name, entry in self._entries.items():
            if comes_from(self._context, name) in {"COMMANDLINE", "ENVIRONMENT"}:
                wanted[name] = self._in_force[name]
            elif name in file.defaults or name not in file.lines:
                given = file.defaults.get(name, entry.option.default)
                wanted[name] = entry.option.process_value(self._context, given)
        return wanted

    def _misfits(self, file: Configuration, wanted: Mapping[str, object]) -> list[str]:
        values = {
            name: value for name, value in wanted.items() if value or isinstance(value, float)
        }
        return [
            str(file.problem_of(name, text))
            if name in file.lines
            else f"--{name.replace('_', '-')} {text}"
            for name, text in misfits(values)
        ]

    def _apply(self) -> None:
        """Have the daemon go on with the settings in force, as far as they are live."""
        logging.getLogger().setLevel(str(self._in_force["log_level"]).upper())
        self._server.on_stop = OnStop(str(self._in_force["on_stop"]))
        given = {name: self._in_force[setting.key] for name, setting in OPTIONS.items()}
        found = {name: value for name, value in given.items() if value is not None}
        self._server.adopt(dataclasses.replace(Limits(), **found))


def _text(entry: Entry, value: object) -> str:
    if value is None and entry.setting is not None:
        value = entry.default()
    return "" if value is None else entry.written(value)
