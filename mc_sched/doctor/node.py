"""Checks of an installed agent: configuration, bundle, profile, certificate, unit, port, peer."""

from __future__ import annotations

import socket
import subprocess
from dataclasses import dataclass
from datetime import datetime, timezone
from pathlib import Path

from cloud_agent.config import CloudConfig
from cloud_agent.devices import Wanted, find_devices
from edge_agent.config import EdgeConfig
from mc_sched.config import load_config
from mc_sched.doctor.check import Check, CheckFunction, failed, ok, warning
from mc_sched.errors import UserError
from mc_sched.units import format_address, parse_address

INSTALLED, STATE = Path("/etc/mc-sched"), Path("/var/lib/mc-sched")
RENEW_DAYS = 30


@dataclass(frozen=True)
class Node:
    """An agent that is installed on this machine."""

    kind: str
    file: Path
    config: EdgeConfig | CloudConfig

    @property
    def unit(self) -> str:
        """Name of its service."""
        return f"mc-{self.kind}-agent.service"


def installed_nodes() -> list[str]:
    """Return the agents that have a configuration on this machine."""
    return [kind for kind in ("edge", "cloud") if (INSTALLED / f"{kind}.yaml").is_file()]


def check_node(kind: str, file: Path | None) -> list[Check]:
    """Run every check of one node; if its configuration is invalid, only that check."""
    file = file or INSTALLED / f"{kind}.yaml"
    remedy = f"correct it and run `mc-sched config check {file}`"
    try:
        node = Node(kind, file, _config_of(kind, file))
    except UserError as error:
        return [failed(f"{kind} configuration", str(error), remedy)]
    found = ok(f"{kind} configuration", str(file))
    return [found, *(check() for check in _checks(node))]


def _config_of(kind: str, file: Path) -> EdgeConfig | CloudConfig:
    return load_config(file, EdgeConfig) if kind == "edge" else load_config(file, CloudConfig)


def _checks(node: Node) -> list[CheckFunction]:
    checks: list[CheckFunction] = [
        lambda: check_bundle(node),
        lambda: check_profile(node),
        lambda: check_certificate(node),
        lambda: check_unit(node),
        lambda: check_port(node),
    ]
    if isinstance(node.config, CloudConfig):
        devices = node.config.devices
        checks.insert(1, lambda: check_devices(devices))
    if isinstance(node.config, EdgeConfig):
        from mc_sched.doctor.peer import check_peer

        config = node.config
        checks.append(lambda: check_peer(config))
    return checks


def check_bundle(node: Node) -> Check:
    """Check that the bundle exists and matches its hash."""
    from mc_models.bundle.files import BundleError
    from mc_models.bundle.load import load_bundle

    try:
        bundle = load_bundle(node.config.bundle)
    except BundleError as error:
        return failed("bundle", str(error), "name another bundle, or copy it again")
    facts = {"name": bundle.name, "hash": bundle.hash}
    return ok("bundle", f"{bundle.name}, hash {bundle.hash[:12]}, weights verified", facts)


def check_devices(wanted: Wanted) -> Check:
    """Check that this machine has the devices of the cloud agent's workers."""
    try:
        names = [device.name for device in find_devices(wanted)]
    except UserError as error:
        return failed("devices", str(error), "change the key devices in the configuration")
    workers = "1 worker" if len(names) == 1 else f"{len(names)} workers"
    shown = "the device that torch finds" if names == ["auto"] else ", ".join(names)
    return ok("devices", f"{workers}: {shown}", {"devices": names})


def check_profile(node: Node) -> Check:
    """Check that this host's times are stored, so that no start has to measure them."""
    from mc_models.bundle.files import BundleError
    from mc_models.bundle.load import load_bundle
    from mc_models.inference.profile_store import default_file, read_profiles

    try:
        usual = default_file(load_bundle(node.config.bundle, verify=False))
    except BundleError as error:
        return failed("profile", str(error), "repair the bundle first")
    if node.config.profile:
        file = Path(node.config.profile)
    elif usual is None or node.file.parent == INSTALLED:
        file = STATE / "profiles" / (usual.name if usual else "none")
    else:
        file = usual
    profiles = [p for p in read_profiles(file) if p.part == node.kind]
    if not profiles:
        remedy = "start the agent while the machine is idle; it measures once and stores the times"
        return warning("profile", f"none in {file}", remedy)
    return ok("profile", f"{len(profiles)} in {file}", {"file": str(file), "count": len(profiles)})


def check_certificate(node: Node) -> Check:
    """Check that the configured certificates can be used and do not expire soon."""
    from mc_proto.tls import common_name, load_identity

    tls = node.config.tls
    if tls is None:
        return ok("certificate", "none configured; connections are not encrypted")
    try:
        identity = load_identity(tls.directory)
    except (OSError, ValueError) as error:
        sentence, _, remedy = str(error).partition("; ")
        return failed("certificate", sentence, remedy or "see `mc-sched certs --help`")
    days = (identity.expires - datetime.now(timezone.utc)).days
    name = common_name(identity.certificate)
    facts = {"name": name, "expires": identity.expires.isoformat(), "days_left": days}
    detail = f"{name}, {days} days left"
    if days < RENEW_DAYS:
        remedy = "run `mc-sched certs renew`, copy the files to this node and restart the agent"
        return warning("certificate", detail, remedy, facts)
    return ok("certificate", detail, facts)


def check_unit(node: Node) -> Check:
    """Check that the service runs, starts at boot and has not been restarted."""
    properties = ("LoadState", "ActiveState", "UnitFileState", "NRestarts")
    try:
        command = ["systemctl", "show", node.unit, f"--property={','.join(properties)}"]
        shown = subprocess.run(command, capture_output=True, text=True, timeout=5)
    except (OSError, subprocess.TimeoutExpired):
        return warning("unit", "no service manager answers", "start the agent by hand")
    facts = dict(line.partition("=")[::2] for line in shown.stdout.splitlines())
    if facts.get("LoadState") != "loaded":
        remedy = f"run scripts/install-node {node.kind} as root"
        return warning("unit", f"{node.unit} is not installed", remedy, facts)
    detail = f"{node.unit} is {facts['ActiveState']}, {facts['NRestarts']} restarts"
    if facts["ActiveState"] != "active":
        remedy = f"systemctl start {node.unit}; its log: journalctl -u {node.unit}"
        return failed("unit", detail, remedy, facts)
    if facts["UnitFileState"] != "enabled":
        remedy = f"systemctl enable {node.unit}, so that it starts at boot"
        return warning("unit", f"{detail}, not enabled", remedy, facts)
    if facts["NRestarts"] != "0":
        remedy = f"find the reason in its log: journalctl -u {node.unit}"
        return warning("unit", detail, remedy, facts)
    return ok("unit", detail, facts)


def check_port(node: Node) -> Check:
    """Check that the agent's port accepts connections."""
    host, port = parse_address(node.config.listen)
    target = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host)
    try:
        socket.create_connection((target, port), timeout=2).close()
    except OSError as error:
        remedy = f"start {node.unit}, or change the key listen in the configuration"
        return failed(
            "port", f"no process listens on {node.config.listen}: {error.strerror}", remedy
        )
    return ok("port", f"{format_address(host, port)} accepts connections")
