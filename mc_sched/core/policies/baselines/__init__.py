"""Policies of other papers, to compare `mc` with. Each file names its source."""
