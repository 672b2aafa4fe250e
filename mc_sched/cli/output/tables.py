"""Tables on stdout, drawn by rich."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rich.console import Console, RenderableType


def print_fields(rows: Iterable[tuple[str, str]], title: str = "") -> None:
    """Print rows of a label and a text, without headings."""
    print_rich(make_table(rows, title=title))


def print_table(
    headings: Sequence[str],
    rows: Iterable[Iterable[str]],
    *,
    title: str = "",
    numbers_from: int | None = None,
) -> None:
    """Print rows under headings; columns from `numbers_from` on are aligned to the right."""
    print_rich(make_table(rows, headings=headings, title=title, numbers_from=numbers_from))


def make_table(
    rows: Iterable[Iterable[str]],
    *,
    headings: Sequence[str] = (),
    title: str = "",
    numbers_from: int | None = None,
    min_width: int | None = None,
) -> RenderableType:
    """Build a table under a title line; markup in titles and cells is shown as plain text."""
    from rich.console import Group
    from rich.table import Table
    from rich.text import Text

    table = Table(show_header=bool(headings), min_width=min_width)
    for number, heading in enumerate(headings):
        is_number = numbers_from is not None and number >= numbers_from
        table.add_column(Text(heading), justify="right" if is_number else "left")
    for row in rows:
        table.add_row(*map(Text, row))
    # rich would wrap a title of the table's own at the width of the table
    return Group(Text(title, "bold"), table) if title else table


def print_rich(renderable: RenderableType, console: Console | None = None) -> None:
    """Print one renderable, on a console of its own unless one is given."""
    from rich.console import Console

    console = console or Console(highlight=False)
    with console.capture() as capture:
        console.print(renderable)
    # not by rich, which reports an error if the reader of a pipe has left
    print(capture.get(), end="", flush=True)
