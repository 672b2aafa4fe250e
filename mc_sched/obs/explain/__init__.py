"""Explains from the log alone why a task ended as it did.

`story.py` gathers the task's records, `cause.py` names the decisive one, `choices.py` replays the
policies' decisions, `spans.py` builds the time line, and `sentences.py` writes it all as text.
"""
