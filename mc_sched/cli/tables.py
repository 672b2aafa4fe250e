"""Tables on stdout, for people."""

from __future__ import annotations

from collections.abc import Iterable


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
