"""Where runs live on disk: the journal of one run (``journal.py``) and the directories of all runs (``runs.py``)."""
