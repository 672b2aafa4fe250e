"""Speed of the networks as the agents run them, against plain torch and stage by stage.

Every ratio compares the medians of series that are measured alternately, image by image, in one
run. On a CPU the clock is the CPU time of the computing thread, which other work on the machine
hardly affects.

- `speedup`: eager float32, channels first, norms not merged / the prepared network.
- `stagewise_ratio`: the prepared stages one after another, with a check of give-up and clock
  behind each / the same network in a single pass.
- `scheduled_ratio`: the stages with a decision of the cloud machine behind each / the same network
  in a single pass. `mc-sched bench overhead` measures the agent's threads and queue in addition.
- `batch_gain`: images per second in the profile's best batch / one image at a time, from the
  medians of the cloud net's profile.
- `top5_difference`: top-5 accuracy of the prepared minus that of the float32 network, in points.
"""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any

import torch
from mc_models.bundle.load import Bundle
from mc_models.data.image_sets import ImageSet
from mc_models.data.preprocess import to_input
from mc_models.inference.devices import device_name, host_device
from mc_models.inference.outputs import accuracy, all_logits
from mc_models.inference.predict import top5
from mc_models.inference.prepare import PreparedCloud, PreparedLocal, prepare_cloud, prepare_local
from mc_models.inference.profile import PARTS
from mc_models.inference.profile_store import host_profile
from torch import Tensor, nn

from mc_sched.bench.staged_runs import CheckedStages, ScheduledStages
from mc_sched.bench.stats import median, ratio

WARM_UP_ROUNDS = 5
DISTINCT_IMAGES = 20
Progress = Callable[[str], None]
Run = Callable[[Tensor], object]


def measure_nets(
    bundles: Sequence[Bundle],
    images: Callable[[Bundle], ImageSet],
    rounds: int,
    threads: int,
    progress: Progress,
) -> dict[str, Any]:
    """Return all figures of `mc-sched bench nets`, with one entry of `sets` per bundle."""
    torch.set_num_threads(threads)
    return {
        "schema": "mc-sched/bench-nets/1",
        "device": device_name(host_device()),
        "threads": threads,
        "rounds": rounds,
        "sets": {b.name: _measure_set(b, images(b), rounds, threads, progress) for b in bundles},
    }


def _measure_set(
    bundle: Bundle, images: ImageSet, rounds: int, threads: int, progress: Progress
) -> dict[str, Any]:
    progress(f"{bundle.name}: profiles of this host")
    local_profile, cloud_profile = (host_profile(bundle, part, threads) for part in PARTS)
    local = prepare_local(bundle, local_profile.precision)
    cloud = prepare_cloud(bundle, cloud_profile.precision)
    progress(f"{bundle.name}: {rounds} rounds against plain torch and by stages")
    inputs = [to_input(image) for image in images.images[:DISTINCT_IMAGES]]
    took_ms = measure_alternately(
        {
            "local": local,
            "local_eager": _eager(bundle.local_net()),
            "cloud": cloud,
            "cloud_eager": _eager(bundle.cloud_net(fold=False)),
            "single_pass": partial(_single_pass, bundle, cloud),
            "staged": CheckedStages(bundle, cloud, cloud_profile).run,
            "scheduled": ScheduledStages(bundle, cloud, cloud_profile).run,
        },
        inputs,
        rounds,
    )
    progress(f"{bundle.name}: top-5 on {len(images)} held-out images")
    points = top5_points(bundle, local, cloud, images)
    per_image_ms = {n: ns / n / 1e6 for n, ns in cloud_profile.batch_total_ns.items()}
    speedups = {part: ratio(took_ms[f"{part}_eager"], took_ms[part]) for part in ("local", "cloud")}
    return {
        "stagewise_ratio": ratio(took_ms["staged"], took_ms["single_pass"]),
        "scheduled_ratio": ratio(took_ms["scheduled"], took_ms["single_pass"]),
        "speedup": min(speedups.values()),
        "batch_gain": per_image_ms[1] / min(per_image_ms.values()),
        "top5_difference": max(points.values(), key=abs),
        "speedups": speedups,
        "precisions": {"local": local_profile.precision, "cloud": cloud_profile.precision},
        "batch_ms_per_image": {str(n): ms for n, ms in per_image_ms.items()},
        "median_ms": {name: median(samples) for name, samples in took_ms.items()},
        "top5_differences": points,
        "images": len(images),
    }


def _eager(net: nn.Module) -> Run:
    """Return `net` as torch runs it by default: float32, channels first."""
    net = net.to(memory_format=torch.contiguous_format)
    # the copy protects the input from layers that work in place
    return lambda x: net(x.clone(memory_format=torch.contiguous_format))


def _single_pass(bundle: Bundle, net: PreparedCloud, x: Tensor) -> object:
    """Run one forward pass up to the top 5 of the last exit."""
    return top5(net(x), bundle.exits[-1].temperature)


@torch.inference_mode()
def measure_alternately(
    runs: Mapping[str, Run], inputs: Sequence[Tensor], rounds: int
) -> dict[str, list[float]]:
    """Return the milliseconds of each run per round; in random order, as each warms caches."""
    took_ms: dict[str, list[float]] = {name: [] for name in runs}
    order = random.Random(0)
    clock = time.thread_time if host_device() == "cpu" else time.perf_counter
    for number in range(WARM_UP_ROUNDS + rounds):
        x = inputs[number % len(inputs)]
        for name in order.sample(list(runs), len(runs)):
            started = clock()
            runs[name](x)
            if number >= WARM_UP_ROUNDS:
                took_ms[name].append((clock() - started) * 1e3)
    return took_ms


def top5_points(
    bundle: Bundle, local: PreparedLocal, cloud: PreparedCloud, images: ImageSet
) -> dict[str, float]:
    """Return the top-5 of each prepared output minus that of the float32 network, in points."""
    labels = torch.from_numpy(images.labels)
    # one image at a time, as the networks were prepared for and as the agents run them
    reduced = all_logits(local, cloud, images, batch=1)
    full = all_logits(bundle.local_net(), bundle.cloud_net(), images)
    return {
        name: round(
            100 * (accuracy(reduced[name], labels).top5 - accuracy(full[name], labels).top5), 4
        )
        for name in full
    }
