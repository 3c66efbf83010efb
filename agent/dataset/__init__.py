"""The dataset of runs: one record per finished run, kept on this machine only. Nothing in here opens a connection.

``record`` makes a record from a journal, ``store`` keeps records, ``scrub`` and ``redact`` take out what must not be in them,
``export`` hands them on as files. ``run-1.schema.json`` says what a record holds.
"""
