"""Tables on stdout, for people."""

from __future__ import annotations

from collections.abc import Iterable, Sequence


def print_rows(rows: Iterable[tuple[str, str]], title: str | None = None) -> None:
    """Label and text, row by row; what looks like markup in them is shown as it is."""
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    table = Table(title=title, title_justify="left", title_style="bold", show_header=False)
    for label, text in rows:
        table.add_row(Text(label), Text(text))
    console = Console()
    with console.capture() as capture:
        console.print(table)
    print(capture.get(), end="")  # rich would call it an error when the reader has left


def print_table(rows: Sequence[tuple[str, ...]]) -> None:
    """Rows of text under the first one; all but the first two columns are figures."""
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    table = Table()
    for number, heading in enumerate(rows[0]):
        table.add_column(heading, justify="left" if number < 2 else "right")
    for row in rows[1:]:
        table.add_row(*map(Text, row))
    console = Console()
    with console.capture() as capture:
        console.print(table)
    print(capture.get(), end="")


def print_columns(
    heads: Iterable[str], rows: Iterable[Iterable[str]], title: str | None = None
) -> None:
    """Several columns under their heads; markup in them is shown as it is."""
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    table = Table(title=title, title_justify="left", title_style="bold")
    for head in heads:
        table.add_column(Text(head))
    for row in rows:
        table.add_row(*map(Text, row))
    console = Console()
    with console.capture() as capture:
        console.print(table)
    print(capture.get(), end="")
