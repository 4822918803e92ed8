"""The file of the journal: a few tables in SQLite, each with bytes by key.

    collected ──commit()──▶ in the file
        ▲          └──it cannot be written──▶ still collected
        └── put, delete: the last one of a key stands

SQLite writes ahead and waits for no disk: what is committed survives the death of this process, and not
that of the host, which ends all that it tells of. The whole file is ours alone as long as it is open, so
nothing is shared in mapped memory, and a full disk is an error and no SIGBUS.

Each document has a check of its own. What SQLite cannot tell from good bytes is missing, never wrong.

SQLite is loaded when a file is opened: nothing else of the daemon needs it.

Thread: one at a time.
"""

from __future__ import annotations

import contextlib
import errno
import logging
import os
from typing import TYPE_CHECKING, TypeAlias

from hcsd.daemon.state.codec import CodecError
from hcsd.daemon.state.errors import DamagedError, JournalError, NewerError
from hcsd.daemon.state.packing import pack, text_bytes, unpack

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Iterator
    from pathlib import Path

logger = logging.getLogger(__name__)

Key: TypeAlias = str | int

# What leads from each version to the next; the first one leads from nothing to version 1.
SCHEMA: tuple[tuple[str, ...], ...] = (
    (
        "CREATE TABLE facts (key BLOB UNIQUE, data BLOB)",
        "CREATE TABLE processes (key INTEGER PRIMARY KEY, data BLOB)",
        "CREATE TABLE states (key INTEGER PRIMARY KEY, data BLOB)",
        "CREATE TABLE systems (key BLOB UNIQUE, data BLOB)",
        "CREATE TABLE events (key INTEGER PRIMARY KEY, data BLOB)",
    ),
)
SETTINGS = (
    "PRAGMA locking_mode = EXCLUSIVE",  # first: then the index of what is written ahead is not shared
    "PRAGMA journal_mode = WAL",
    "PRAGMA synchronous = OFF",
    "PRAGMA wal_autocheckpoint = 256",  # pages of 4 KiB: how long one commit may take has a bound
    "PRAGMA journal_size_limit = 4194304",
)
VERSION_PLACE = slice(60, 64)  # in the header of the file. Source: sqlite.org/fileformat.html
MAGIC = b"SQLite format 3\x00"
SIDES = ("", "-wal", "-shm", "-journal")  # the file, and what SQLite puts beside it


class Table:
    """What is collected for one table."""

    def __init__(self, name: str) -> None:
        self.name = name
        self._put: dict[bytes | int, bytes] = {}
        self._deleted: set[bytes | int] = set()
        self._below = 0  # rows with lesser numbers as keys go
        self._insert = (
            f"INSERT INTO {name} VALUES (?, ?) ON CONFLICT DO UPDATE SET data = excluded.data"  # noqa: S608  (ours)
        )
        self._delete = f"DELETE FROM {name} WHERE key = ?"  # noqa: S608  (ours)
        self._delete_below = f"DELETE FROM {name} WHERE key < ?"  # noqa: S608  (ours)

    def put(self, key: Key, document: object) -> None:
        """Have a document written, in the place of the one of this key."""
        place = _place(key)
        self._put[place] = pack(_bytes(place), document)

    def delete(self, key: Key) -> None:
        """Have the document of a key removed, if there is one."""
        place = _place(key)
        self._put.pop(place, None)
        self._deleted.add(place)

    def delete_below(self, number: int) -> None:
        """Have those removed whose keys are lesser numbers; keys come in their order."""
        self._below = max(self._below, number)
        for place in list(self._put):
            if not isinstance(place, int) or place >= number:
                break
            del self._put[place]

    def write(self, cursor: sqlite3.Cursor) -> None:
        """Write what is collected; it stays collected. A row that was deleted before is a new one."""
        if self._below:
            cursor.execute(self._delete_below, (self._below,))
        if self._deleted:
            cursor.executemany(self._delete, [(place,) for place in self._deleted])
        if self._put:
            cursor.executemany(self._insert, self._put.items())

    def clear(self) -> None:
        """Forget what is collected."""
        self._put.clear()
        self._deleted.clear()
        self._below = 0


def _place(key: Key) -> bytes | int:
    return key if isinstance(key, int) else text_bytes(key)


def _bytes(place: bytes | int) -> bytes:
    return place if isinstance(place, bytes) else b"%d" % place


class Database:
    """An open file.

    Args:
        path: Where it is; it is made if it is not there.

    Attributes:
        facts: What is known of the journal itself.
        processes: What never changes of processes.
        states: Where they are.
        systems: Compute systems.
        events: The event log.
        tables: All of them.
        closed: Whether it was closed.

    Raises:
        DamagedError: There is something else, or it is damaged.
        NewerError: A newer daemon has written it; it was not touched.
        JournalError: It cannot be opened, or not be written.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self.facts, self.processes = Table("facts"), Table("processes")
        self.states, self.systems = Table("states"), Table("systems")
        self.events = Table("events")
        self.tables = (self.facts, self.processes, self.states, self.systems, self.events)
        self.closed = False
        self._connection = self._open()
        self._cursor = self._connection.cursor()

    def read(self, table: Table) -> list[tuple[Key, object]]:
        """Return the rows that are whole, in the order of their making, or in that of their numbers.

        Raises:
            DamagedError: The file cannot be read.
            JournalError: The same, for a reason of the host.
        """
        with self._told():
            rows: list[tuple[object, object]] = self._connection.execute(
                f"SELECT key, data FROM {table.name} ORDER BY rowid"  # noqa: S608  (a name of ours)
            ).fetchall()
        found: list[tuple[Key, object]] = []
        for place, data in rows:
            with contextlib.suppress(CodecError, UnicodeDecodeError):
                if isinstance(place, int):
                    found.append((place, unpack(_bytes(place), data)))
                elif isinstance(place, bytes):
                    key = place.decode(errors="surrogatepass")
                    found.append((key, unpack(place, data)))
        if len(found) < len(rows):
            lost = len(rows) - len(found)
            logger.error("%d of %s in '%s' are damaged, and lost", lost, table.name, self._path)
        return found

    def commit(self) -> None:
        """Write all that is collected, or nothing.

        Raises:
            JournalError: It cannot be written; it is still collected.
        """
        cursor = self._cursor
        try:
            with self._told():
                cursor.execute("BEGIN IMMEDIATE")
                for table in self.tables:
                    table.write(cursor)
                cursor.execute("COMMIT")
        except (DamagedError, JournalError) as error:
            with contextlib.suppress(self._connection.Error):
                cursor.execute("ROLLBACK")
            if isinstance(error, JournalError):
                raise
            raise JournalError(errno.EIO, str(error)) from error
        for table in self.tables:
            table.clear()

    def close(self) -> None:
        """Close the file; idempotent."""
        self.closed = True
        with contextlib.suppress(self._connection.Error):
            self._cursor.close()  # a statement that failed would keep the file open, and locked
            self._connection.close()

    # --- opening ---

    def _open(self) -> sqlite3.Connection:
        import sqlite3  # noqa: PLC0415  (see the module's head)

        self._require_known(_version_in_header(self._path))
        try:
            os.close(os.open(self._path, os.O_RDWR | os.O_CREAT, 0o600))
        except IsADirectoryError as error:
            msg = f"'{self._path}' is a folder"
            raise DamagedError(msg) from error
        except OSError as error:
            raise JournalError(error.errno or errno.EIO, error.strerror or str(error)) from error
        connection = sqlite3.connect(self._path, isolation_level=None, check_same_thread=False)
        try:
            with self._told():
                self._set_up(connection)
        except BaseException:
            connection.close()
            raise
        return connection

    def _set_up(self, connection: sqlite3.Connection) -> None:
        for setting in SETTINGS:
            connection.execute(setting).fetchall()
        version = _number(connection, "PRAGMA user_version")
        self._require_known(version)
        if not version and _number(connection, "SELECT count(*) FROM sqlite_master"):
            msg = f"'{self._path}' is a database of something else"
            raise DamagedError(msg)
        faults = connection.execute("PRAGMA quick_check(1)").fetchall()
        if faults != [("ok",)]:
            msg = f"'{self._path}' is damaged: {str(faults[0][0]).splitlines()[-1]}"
            raise DamagedError(msg)
        if version < len(SCHEMA):
            connection.execute("BEGIN IMMEDIATE")
            for step in SCHEMA[version:]:
                for statement in step:
                    connection.execute(statement)
            connection.execute(f"PRAGMA user_version = {len(SCHEMA)}")
            connection.execute("COMMIT")
            # So that the version is in the header, where it can be read without a change of the file.
            connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()

    def _require_known(self, version: int) -> None:
        if version > len(SCHEMA):
            msg = (
                f"'{self._path}' is of a newer version of hcsd: it has schema {version}, and this"
                f" version knows {len(SCHEMA)}"
            )
            raise NewerError(msg)

    @contextlib.contextmanager
    def _told(self) -> Iterator[None]:
        """Tell what SQLite raises in our own errors."""
        import sqlite3  # noqa: PLC0415  (see the module's head)

        try:
            yield
        except UnicodeDecodeError as error:  # what SQLite has to say has words of the file in it
            msg = f"'{self._path}' is damaged"
            raise DamagedError(msg) from error
        except sqlite3.Error as error:
            code = (
                getattr(error, "sqlite_errorcode", sqlite3.SQLITE_ERROR) & 0xFF
            )  # the primary one
            if code in {sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB}:
                msg = f"'{self._path}' is damaged: {error}"
                raise DamagedError(msg) from error
            known = {
                sqlite3.SQLITE_FULL: errno.ENOSPC,
                sqlite3.SQLITE_READONLY: errno.EROFS,
                sqlite3.SQLITE_CANTOPEN: errno.EACCES,
                sqlite3.SQLITE_BUSY: errno.EBUSY,
            }
            raise JournalError(known.get(code, errno.EIO), f"{error}") from error


def _number(connection: sqlite3.Connection, question: str) -> int:
    (number,) = connection.execute(question).fetchone()
    return int(number)


def _version_in_header(path: Path) -> int:
    """Return the schema version that a file says without being opened as a database; 0 for none."""
    try:
        with path.open("rb") as file:
            header = file.read(VERSION_PLACE.stop)
    except OSError:
        return 0
    if len(header) < VERSION_PLACE.stop or not header.startswith(MAGIC):
        return 0
    return int.from_bytes(header[VERSION_PLACE], "big")
