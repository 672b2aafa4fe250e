"""The log store: an agent's event log, indexed, in one SQLite file.

`line.py` says what is indexed of a record, `schema.py` how it lies in the file, `writer.py` takes
lines in and lets old ones go, `query.py` is what people ask, `reader.py` answers it.
"""
