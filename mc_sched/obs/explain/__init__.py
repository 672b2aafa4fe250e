"""Why a task ended as it did, from the log alone.

`story.py` gathers what happened, `cause.py` names what decided it, `choices.py` asks the policies
once more what they would do, `sentences.py` says it all in plain words.
"""
