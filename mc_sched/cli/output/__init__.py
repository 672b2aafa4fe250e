"""Everything the verbs print: tables and results on stdout, progress on stderr."""
