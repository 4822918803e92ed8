"""What a restart of the daemon goes on with: a folder, and in it a journal of what the daemon knows.

    StateDirectory ──has──▶ Journal ──keeps──▶ rows: processes, systems, events

`journal` says when what is written, `directory` whose the folder is, and `forms` how each type is kept.
"""
