"""Accuracy and privacy of a bundle, measured on images.

`accuracy` measures every output's accuracy, calibration and confusion; `files` writes them.
`privacy` runs the attacks of `attackers` on what leaves the device. `policy_tables` measures the
tables that the baseline policies decide by.
"""
