"""All experiments on one page: report.md, with the figures beside it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from mc_sched.experiments.findings import Findings, Table
from mc_sched.experiments.setting import Setting

PAGE = "report.md"


def write_page(found: Sequence[Findings], setting: Setting, folder: Path) -> None:
    """Write the page; raises OSError if that fails."""
    (folder / PAGE).write_text("\n".join(_page(found, setting)) + "\n", encoding="utf-8")


def _page(found: Sequence[Findings], setting: Setting) -> Iterator[str]:
    yield "# Experiments"
    settings = ", ".join(
        f"{name.replace('_', ' ')} {value}" for name, value in setting.description().items()
    )
    yield f"\nSimulated with {settings}.\n"
    for findings in found:
        yield f"- [{findings.title}](#{findings.name})"
    yield from _headline(found[0].report.get("headline", {}))
    for findings in found:
        yield from _section(findings)


def _headline(headline: dict[str, Any]) -> Iterator[str]:
    if not headline:
        return
    yield "\n## Headline\n"
    yield "| | latency reduction | cloud time reduction | E3 over ddnn | E3 over jointdnn |"
    yield "|---|---|---|---|---|"
    for policy, ratios in headline.items():
        cells = (_range(ratios["latency_cut_pct"]), _range(ratios["cloud_time_cut_pct"]))
        e3 = (_ratio(ratios["e3_over_ddnn"]), _ratio(ratios["e3_over_jointdnn"]))
        yield f"| {policy} | {' | '.join((*cells, *e3))} |"
    yield "| the paper | 39.8% to 45.1% | 5.7% to 41.0% | 1.60 | 1.12 |"


def _range(cut: dict[str, Any]) -> str:
    return "-" if cut["min"] is None else f"{cut['min']:.1f}% to {cut['max']:.1f}%"


def _ratio(ratio: float | None) -> str:
    return "-" if ratio is None else f"{ratio:.2f}"


def _section(findings: Findings) -> Iterator[str]:
    yield f'\n<a id="{findings.name}"></a>\n\n## {findings.title}\n'
    for figure in findings.figures:
        yield f"![{figure.caption}]({figure.name}.png)\n"
    yield from (f"{_sentence(note)}\n" for note in findings.notes)
    yield from _lines(findings.table)
    for title, table in findings.more_tables:
        yield f"\n{_sentence(title)}\n"
        yield from _lines(table)


def _sentence(text: str) -> str:
    return f"{text[:1].upper()}{text[1:]}."


def _lines(table: Table) -> Iterator[str]:
    heads, *lines = table
    yield f"| {' | '.join(heads)} |"
    yield "|---" * len(heads) + "|"
    yield from (f"| {' | '.join(line)} |" for line in lines)
