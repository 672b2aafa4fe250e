"""The log store: an agent's event log, indexed, in one SQLite file.

`line.py` decides what is indexed of a record, `schema.py` defines the tables, `writer.py` stores
lines and deletes old ones. `query.py` defines a query, `reader.py` answers it from one store and
`stores.py` from several; `follow.py` and `live.py` return new lines as they come.
"""
