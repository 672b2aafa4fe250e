"""The command line of a daemon, merged with its configuration file.

An option's `dest` is the dotted key that it overrides, such as `energy.radio`.
"""

from __future__ import annotations

import argparse
from typing import Any, TypeVar

from mc_sched.config import Config, parse_config, read_yaml

ConfigT = TypeVar("ConfigT", bound=Config)


def agent_parser(
    node: str, description: str, example: str, default_listen: str
) -> argparse.ArgumentParser:
    """Return a parser with the options of both agents; each but --config overrides a key."""
    name = f"mc-{node}-agent"
    parser = argparse.ArgumentParser(
        prog=name,
        description=description,
        epilog=f"Every key of the file: docs/configuration.md. Example: {name} {example}",
    )
    add = parser.add_argument
    add("--config", metavar="FILE", help=f"YAML file, such as configs/{node}.yaml")
    add("--listen", metavar="HOST:PORT", help=f"gRPC address, default {default_listen}")
    add("--bundle", help="name or directory of a bundle, default set-a")
    add("--threads", type=int, help="CPU threads for the network, default 1")
    add("--precision", help="auto (default), float32 or bfloat16")
    add("--event-log", metavar="FILE", help="append every event and action to this file")
    add("--log-store", metavar="FILE", dest="log_store.file", help="log store, or none")
    add("--http", metavar="HOST:PORT", dest="http.listen", help="console and metrics, or none")
    return parser


def configure(args: argparse.Namespace, model: type[ConfigT]) -> ConfigT:
    """Read the configuration file, if one is given, and override it with the options."""
    values = read_yaml(args.config) if args.config else {}
    # the file is checked alone first, so that an option is not blamed for a mistake in the file
    parse_config(values, model, args.config or "defaults")
    for key, value in vars(args).items():
        if key != "config" and value is not None:
            values = _merged(values, _nested(key, value))
    return parse_config(values, model, "command line")


def _nested(dotted_key: str, value: Any) -> dict[str, Any]:
    """Return {"a": {"b": value}} for the key "a.b"."""
    for part in reversed(dotted_key.split(".")):
        value = {part: value}
    nested: dict[str, Any] = value
    return nested


def _merged(base: dict[str, Any], override: dict[str, Any]) -> dict[str, Any]:
    """Return `base` with the keys of `override`; sections are merged key by key."""
    merged = {**base, **override}
    for key in base.keys() & override.keys():
        if isinstance(base[key], dict) and isinstance(override[key], dict):
            merged[key] = _merged(base[key], override[key])
    return merged
