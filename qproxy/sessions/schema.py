"""The tables of the SQLite store, and how a file of an earlier qproxy is brought up to date.

Each step is applied once, in order, in one transaction; a step that was released is never changed.
"""

import sqlite3

APPLICATION = 0x71707278
"""'qprx': tells a qproxy file from any other SQLite database."""

STEPS: tuple[tuple[str, ...], ...] = (
    (
        """CREATE TABLE session (
            number INTEGER PRIMARY KEY,
            key BLOB NOT NULL UNIQUE,
            vp TEXT NOT NULL,
            by_qlik INTEGER NOT NULL,
            user BLOB NOT NULL,
            created REAL NOT NULL,
            seen REAL NOT NULL,
            record BLOB NOT NULL)""",
        "CREATE INDEX session_user ON session (user)",
        "CREATE INDEX session_maker ON session (vp, by_qlik)",
        "CREATE INDEX session_created ON session (vp, by_qlik, created)",
        "CREATE INDEX session_seen ON session (vp, by_qlik, seen)",
        """CREATE TABLE ended (
            mark INTEGER PRIMARY KEY AUTOINCREMENT,
            vp TEXT NOT NULL,
            key BLOB NOT NULL,
            at REAL NOT NULL,
            why TEXT NOT NULL)""",
        "CREATE INDEX ended_at ON ended (at)",
    ),
    (
        """CREATE TABLE amount (
            vp TEXT NOT NULL,
            by_qlik INTEGER NOT NULL,
            sessions INTEGER NOT NULL,
            PRIMARY KEY (vp, by_qlik)) WITHOUT ROWID""",
        "INSERT INTO amount SELECT vp, by_qlik, count(*) FROM session GROUP BY vp, by_qlik",
        """CREATE TRIGGER session_came AFTER INSERT ON session BEGIN
            INSERT INTO amount SELECT new.vp, new.by_qlik, 0
                WHERE NOT EXISTS (SELECT 1 FROM amount WHERE vp = new.vp AND by_qlik = new.by_qlik);
            UPDATE amount SET sessions = sessions + 1 WHERE vp = new.vp AND by_qlik = new.by_qlik;
        END""",
        """CREATE TRIGGER session_went AFTER DELETE ON session BEGIN
            UPDATE amount SET sessions = sessions - 1 WHERE vp = old.vp AND by_qlik = old.by_qlik;
        END""",
    ),
    (
        "CREATE TABLE tied (mark BLOB NOT NULL, key BLOB NOT NULL, PRIMARY KEY (mark, key)) WITHOUT ROWID",
        "CREATE INDEX tied_key ON tied (key)",
        """CREATE TRIGGER session_untied AFTER DELETE ON session BEGIN
            DELETE FROM tied WHERE key = old.key;
        END""",
    ),
    (
        """CREATE TABLE note (
            number INTEGER PRIMARY KEY,
            mark BLOB NOT NULL UNIQUE,
            until REAL NOT NULL,
            kept INTEGER NOT NULL,
            value BLOB NOT NULL)""",
        "CREATE INDEX note_until ON note (until)",
        "CREATE INDEX note_kept ON note (kept, number)",
    ),
    (
        "ALTER TABLE note ADD COLUMN maker BLOB NOT NULL DEFAULT x''",
        "CREATE INDEX note_maker ON note (maker, number) WHERE maker <> x''",
        """CREATE TABLE tried (
            mark BLOB PRIMARY KEY,
            tries INTEGER NOT NULL,
            last REAL NOT NULL,
            until REAL NOT NULL,
            label BLOB NOT NULL) WITHOUT ROWID""",
        "CREATE INDEX tried_last ON tried (last)",
        "CREATE INDEX tried_tries ON tried (tries, last)",
    ),
)
"""Step 2: SQLite counts rows by looking at each, and sessions are counted every few seconds and whenever QPS makes one.
Step 4: notes; `kept` 0 is what was used once, which nothing pushes out; 1 what we put, 2 what strangers did.
Step 5: by whom, as a hash; and what was tried lately.
Step 3: by what an identity provider may name a session; a trigger, so that an earlier qproxy's deletions leave none.

No OR IGNORE in a trigger: how the statement that fires it resolves conflicts takes its place, and that of an earlier
qproxy, which may still be writing, is REPLACE.
"""


class UnusableFile(Exception):
    """The file is there, but not one that this qproxy may write."""


def bring_up_to_date(connection: sqlite3.Connection) -> None:
    """Raises UnusableFile for another program's file, or for one of a later qproxy; both are left as they are."""
    if _version(connection) == len(STEPS):
        return
    connection.execute("BEGIN IMMEDIATE")
    try:
        for step in STEPS[_version(connection) :]:
            for statement in step:
                connection.execute(statement)
        connection.execute(f"PRAGMA application_id = {APPLICATION}")
        connection.execute(f"PRAGMA user_version = {len(STEPS)}")
        connection.execute("COMMIT")
    except BaseException:
        connection.execute("ROLLBACK")
        raise


def _version(connection: sqlite3.Connection) -> int:
    application = connection.execute("PRAGMA application_id").fetchone()[0]
    version: int = connection.execute("PRAGMA user_version").fetchone()[0]
    empty = connection.execute("SELECT count(*) FROM sqlite_master").fetchone()[0] == 0
    if application != APPLICATION and not (empty and application == 0 and version == 0):
        raise UnusableFile("it is a database of another program: name another file")
    if version > len(STEPS):
        raise UnusableFile(
            f"it was written by a later qproxy (form {version}, this one knows {len(STEPS)}): update qproxy"
        )
    return version
