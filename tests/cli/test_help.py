"""Every `--help` has a working example, and loads neither networks nor gRPC."""

import argparse
import json
import re
import shlex
import subprocess
import sys

import pytest

from mc_sched.cli.main import VERBS, build_parser

COMMANDS = [
    *((verb,) for verb in VERBS),
    ("config", "check"),
    ("bench", "overhead"),
    ("bench", "give-up"),
    ("bench", "logging"),
]
SHOW_ALL = """
import contextlib, io, json, sys
from mc_sched.cli.main import main
shown = []
for command in json.loads(sys.argv[1]):
    out = io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.suppress(SystemExit):
        main([*command, "--help"])
    shown.append(out.getvalue())
heavy = [name for name in ("torch", "torchvision", "grpc", "rich") if name in sys.modules]
print(json.dumps({"shown": shown, "heavy": heavy}))
"""


@pytest.fixture(scope="module")
def help_of_all():
    """The output of `--help` of every command, and the heavy modules that were loaded."""
    commands = json.dumps([[], *COMMANDS])
    done = subprocess.run(
        [sys.executable, "-c", SHOW_ALL, commands], capture_output=True, text=True, check=True
    )
    assert done.stderr == ""
    return json.loads(done.stdout)


def test_help_loads_neither_networks_nor_grpc(help_of_all):
    assert not {"torch", "torchvision", "grpc"} & set(help_of_all["heavy"])


@pytest.mark.parametrize("number", range(len(COMMANDS) + 1))
def test_help_holds_an_example_of_this_very_command(help_of_all, number):
    text, command = help_of_all["shown"][number], (() if number == 0 else COMMANDS[number - 1])
    assert f"usage: {' '.join(('mc-sched', *command))}" in text
    assert re.search(rf"example.*mc-sched {' '.join(command)}", text, re.DOTALL)


def test_every_example_is_a_command_that_the_parser_takes(help_of_all):
    examples = [
        line.partition("mc-sched ")[2]
        for text in help_of_all["shown"]
        for line in text.splitlines()
        if re.match(r"\s*(examples?: )?mc-sched \w", line)
    ]
    assert len(examples) > len(COMMANDS)
    for example in examples:
        build_parser().parse_args(shlex.split(example))


def test_the_help_of_all_names_every_verb(help_of_all):
    for verb in VERBS:
        assert re.search(rf"^\s+{verb}\s+\w", help_of_all["shown"][0], re.MULTILINE)


def all_parsers(parser):
    """The parser and those of its verbs and jobs."""
    yield parser
    for action in parser._actions:
        if isinstance(action, argparse._SubParsersAction):
            for child in action.choices.values():
                yield from all_parsers(child)


def test_every_option_and_argument_is_explained():
    unexplained = [
        f"{parser.prog} {action.option_strings or action.dest}"
        for parser in all_parsers(build_parser())
        for action in parser._actions
        if not action.help and not isinstance(action, argparse._SubParsersAction)
    ]
    assert unexplained == []


def test_every_verb_and_job_is_described_in_one_sentence():
    descriptions = [parser.description for parser in all_parsers(build_parser())]
    assert len(descriptions) > len(COMMANDS)
    for description in descriptions:
        assert re.fullmatch(r"[A-Z][^.\n]*\.", description)
