"""Bundles on disk: a directory with both networks' weights, their labels and measured tables.

`load` reads and verifies a bundle, `save` writes its tables, `rows` are the tables' rows, `files`
are the names, places and hashes of its files, `weights` the float16 weights, and `report` draws
report.png.
"""
