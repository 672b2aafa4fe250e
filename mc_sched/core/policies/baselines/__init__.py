"""Policies of other papers, for comparison with `mc`. Each file names its source."""
