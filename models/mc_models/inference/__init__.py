"""Networks prepared for a host, their measured times, and their answers.

`prepare` rewrites a bundle's networks piece by piece (`pieces`, `fuse`, `kernels`, `cuda_graphs`)
for one of the host's `devices`; `self_test` warms them up. `profile` is the record of measured
times, `profiler` measures it, `profile_store` keeps it. `predict` makes an answer of logits,
`outputs` measures the accuracy and calibration of every output, and `reference` is the plain
forward pass that benchmarks compare with.
"""
