"""The documents keep what they promise: links lead somewhere, commands exist, pages stay short."""

import argparse
import contextlib
import io
import re
import shlex
from pathlib import Path

import pytest

import cloud_agent.main
import edge_agent.main
from mc_sched.cli.main import build_parser

ROOT = Path(__file__).parents[1]
PAGES = sorted((*ROOT.glob("*.md"), *ROOT.glob("docs/*.md"), *ROOT.glob("models/*.md")))
AGENTS = {"mc-edge-agent": edge_agent.main.main, "mc-cloud-agent": cloud_agent.main.main}
PROGRAMS = {"mc-sched", *AGENTS}
LINK = re.compile(r"\]\(([^)\s]+)\)")
FENCE = re.compile(r"^```$(.*?)^```$", re.MULTILINE | re.DOTALL)
INLINE = re.compile(r"`([^`\n]+)`")

each_page = pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))


def words_of(command: str) -> list[str]:
    """The command's words, `scripts/demo` as the verb that it runs; empty for other programs."""
    try:
        words = shlex.split(command, comments=True)
    except ValueError:  # a line of a file or a regular expression
        return []
    if words and words[0] == "scripts/demo":
        words[:1] = ["mc-sched", "demo"]
    if not words or words[0].removeprefix(".venv/bin/") not in PROGRAMS:
        return []
    return [words[0].removeprefix(".venv/bin/"), *words[1:]]


def commands(texts) -> list[list[str]]:
    return [words for text in texts if (words := words_of(text))]


def fenced_commands(page: Path) -> list[list[str]]:
    blocks = FENCE.findall(page.read_text(encoding="utf-8"))
    return commands(line for block in blocks for line in block.replace("\\\n", "").splitlines())


def inline_commands(page: Path) -> list[list[str]]:
    return commands(INLINE.findall(FENCE.sub("", page.read_text(encoding="utf-8"))))


def known_options(words: list[str]) -> set[str]:
    """The options of the verb that the words name, or of the agent."""
    if words[0] in AGENTS:
        with contextlib.redirect_stdout(io.StringIO()) as shown, contextlib.suppress(SystemExit):
            AGENTS[words[0]](["--help"])
        return set(re.findall(r"--[\w-]+", shown.getvalue()))
    parser, rest = build_parser(), words[1:]
    while rest and not rest[0].startswith("-"):
        choices = [a.choices for a in parser._actions if isinstance(a, argparse._SubParsersAction)]
        if not choices:
            break
        assert rest[0] in choices[0], f"{shlex.join(words)}: there is no {rest[0]}"
        parser, rest = choices[0][rest[0]], rest[1:]
    return set(parser._option_string_actions)


def anchors(page: Path) -> set[str]:
    """The anchors of the page's headings, as GitHub makes them."""
    titles = re.findall(r"^#+ (.*)$", page.read_text(encoding="utf-8"), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-") for title in titles}


@each_page
def test_relative_links_lead_to_files_and_headings(page):
    for link in LINK.findall(page.read_text(encoding="utf-8")):
        if "://" in link:
            continue
        path, _, anchor = link.partition("#")
        target = page.parent / path if path else page
        assert target.exists(), link
        assert not anchor or anchor in anchors(target), link


@each_page
def test_links_that_show_a_file_name_lead_to_that_file(page):
    for name, path in re.findall(r"\[`([^`]+\.\w+)`\]\(([^)\s]+)\)", page.read_text("utf-8")):
        assert path.endswith(name), name


@each_page
def test_commands_in_code_blocks_parse(page):
    for words in fenced_commands(page):
        if words[0] == "mc-sched":
            try:
                build_parser().parse_args(words[1:])
            except SystemExit:
                pytest.fail(shlex.join(words))


@each_page
def test_options_of_all_quoted_commands_exist(page):
    for words in (*fenced_commands(page), *inline_commands(page)):
        options = {word.partition("=")[0] for word in words if word.startswith("--")}
        assert options <= known_options(words), shlex.join(words)


def test_the_readme_quotes_commands_of_all_three_programs():
    found = {words[0] for words in fenced_commands(ROOT / "README.md")}
    assert found == PROGRAMS


def test_the_architecture_page_is_at_most_12_kb():
    assert (ROOT / "ARCHITECTURE.md").stat().st_size <= 12 * 1024


def test_the_reading_order_fits_one_screen_and_names_ten_files():
    text = (ROOT / "docs/reading-order.md").read_text(encoding="utf-8")
    assert len(text.splitlines()) <= 40
    assert re.findall(r"^\| (\d+) \|", text, re.MULTILINE) == [str(n) for n in range(1, 11)]


def test_every_page_in_docs_is_linked_from_readme_or_architecture():
    entry = (ROOT / "README.md", ROOT / "ARCHITECTURE.md")
    linked = {link for page in entry for link in LINK.findall(page.read_text(encoding="utf-8"))}
    assert {f"docs/{page.name}" for page in ROOT.glob("docs/*.md")} <= linked
