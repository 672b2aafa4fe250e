"""A first-come-first-served server: the prepared network whole, no exits, no admission.

Run as a process: `python -m mc_sched.bench.load.fcfs_server BUNDLE ADDRESS`. One thread decodes and
runs the images in the order in which their calls arrive, as a plain gRPC server with one worker
does. The answer is the name of the last exit; what is measured is its time.
"""

from __future__ import annotations

import sys
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import grpc

from mc_sched.bench.load.targets.fcfs import METHOD

OPTIONS = [("grpc.so_reuseport", 0), ("grpc.http2.min_ping_interval_without_data_ms", 5_000)]
"""The port is this server's alone; clients that wait for long may ping."""


def serve(bundle_name: str, address: str) -> None:
    """Serve until the process is stopped."""
    import torch
    from mc_models.bundle.load import load_bundle
    from mc_models.inference.reference import Reference

    torch.set_num_threads(1)
    bundle = load_bundle(bundle_name)
    reference = Reference.prepared(bundle)
    exit_ = bundle.exits[-1].name.encode()

    def classify(image: bytes, context: Any) -> bytes:
        reference.cloud(image)
        return exit_

    _, service, method = METHOD.split("/")
    handler = grpc.unary_unary_rpc_method_handler(classify)
    server = grpc.server(ThreadPoolExecutor(1), options=OPTIONS)
    server.add_generic_rpc_handlers(
        (grpc.method_handlers_generic_handler(service, {method: handler}),)
    )
    server.add_insecure_port(address)
    server.start()
    print(f"serving on {address}", file=sys.stderr, flush=True)
    server.wait_for_termination()


if __name__ == "__main__":
    serve(*sys.argv[1:3])
