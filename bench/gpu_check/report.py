"""What came of it: which cases break or slow a family, as a table and as JSON."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict, dataclass, field

from .cases import DIFFUSERS, SETTINGS, WORKER
from .run import Figures

#: What two runs of the same may differ by.
NOISE = 1.05
COLUMNS = ("load_s", "step_s", "decode_s", "total_s", "peak_gb")


@dataclass(kw_only=True)
class Row:
    """One model in one case."""

    model: str
    family: str
    case: str
    figures: Figures = field(default_factory=dict)
    #: ok, refused, broken, slower, larger, or skipped.
    verdict: str = "ok"
    #: Why it is not ok; or what has to be known of its figures.
    note: str = ""

    @property
    def fails(self) -> bool:
        """Whether the check has failed by it. That diffusers itself breaks is not our fault."""
        return self.verdict in ("broken", "slower", "larger") and self.case != DIFFUSERS


def judge(rows: Iterable[Row]) -> None:
    """Hold the worker against diffusers, and each setting against the worker without it.

    Casting is there for memory, all else for speed.
    """
    by_case = {row.case: row for row in rows}
    for row in by_case.values():
        other = by_case.get(DIFFUSERS if row.case == WORKER else WORKER)
        if row.verdict != "ok" or row.case == DIFFUSERS or other is None or not other.figures:
            continue
        if SETTINGS.get(row.case, {}).get("layerwise_casting"):
            if row.figures["peak_gb"] >= other.figures["peak_gb"]:
                row.verdict = "larger"
        elif row.figures["step_s"] > NOISE * other.figures["step_s"]:
            row.verdict = "slower"


def table(rows: Iterable[Row]) -> str:
    """The rows as Markdown, what is refused below; `gain` is a step's speed over diffusers'."""
    lines = [
        "| model | case | load s | s a step | decode s | whole call s | peak GB | gain | verdict |",
        "|---|---|---|---|---|---|---|---|---|",
    ]
    rows = list(rows)
    plain = {row.model: row.figures for row in rows if row.case == DIFFUSERS and row.figures}
    for row in (row for row in rows if row.verdict != "refused"):
        figures = [f"{row.figures[name]:.3g}" if row.figures else "" for name in COLUMNS]
        gain = ""
        if row.figures and row.model in plain:
            gain = f"{plain[row.model]['step_s'] / row.figures['step_s']:.2f}x"
        verdict = f"{row.verdict}: {row.note}" if row.note else row.verdict
        lines.append(f"| {row.model} | {row.case} | {' | '.join(figures)} | {gain} | {verdict} |")
    lines += [""]
    lines += [
        f"- {row.model}, {row.case} refused: {row.note}" for row in rows if row.verdict == "refused"
    ]
    return "\n".join(lines)


def as_json(rows: Iterable[Row]) -> list[dict[str, object]]:
    """The rows as JSON has them."""
    return [asdict(row) for row in rows]
