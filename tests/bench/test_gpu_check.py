"""The check for machines with a GPU, on tiny models, so that it runs when there is one."""

import json
from pathlib import Path
from typing import Any

import pytest
import torch

from bench.gpu_check import cases, weights
from bench.gpu_check.__main__ import main
from bench.gpu_check.report import Row, judge, table
from bench.gpu_check.run import Bench
from builder.tiny_models import parts_of
from src.manifest import load_manifest

MANIFEST = load_manifest()


@pytest.mark.real
def test_a_family_is_tried_setting_by_setting(
    tiny_models: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    wanted = ["diffusers", "worker", "first_block", "sea", "compile"]
    file = tmp_path / "gpu-check.json"
    words = ["--models", "wan2.1", "cogvideox", "--cases", *wanted, "--json", str(file)]
    ended = main([*words, "--device", "cpu", "--folder", str(tiny_models), "--steps", "4"])
    report = json.loads(file.read_text())
    verdicts = {(row["model"], row["case"]): row["verdict"] for row in report["rows"]}

    assert ended == 0
    assert verdicts == {
        **{("wan2.1", case): "ok" for case in wanted},
        **{("cogvideox", case): "ok" for case in ("diffusers", "worker", "first_block")},
        ("cogvideox", "sea"): "refused",
        ("cogvideox", "compile"): "refused",
    }
    assert all(
        row["figures"]["step_s"] > 0 and row["figures"]["load_s"] > 0
        for row in report["rows"]
        if row["verdict"] == "ok"
    )
    printed = capsys.readouterr().out
    assert "| wan2.1 | first_block |" in printed
    assert "- cogvideox, compile refused: compile: transformer" in printed


@pytest.mark.real
def test_a_case_of_its_own_process_prints_one_line(
    tiny_models: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["--device", "cpu", "--folder", str(tiny_models), "--steps", "2"]
    main([*words, "--one", "cogvideox", "worker"])
    row = Row(**json.loads(capsys.readouterr().out.splitlines()[-1]))

    assert (row.model, row.case, row.verdict) == ("cogvideox", "worker", "ok")


@pytest.mark.real
def test_what_breaks_is_named_and_ends_the_check_badly(tiny_models: Path, tmp_path: Path) -> None:
    words = ["--models", "svd", "--cases", "worker", "--size", "8000x8000x5", "--device", "cpu"]
    file = tmp_path / "gpu-check.json"

    assert main([*words, "--folder", str(tiny_models), "--json", str(file)]) == 1
    (row,) = json.loads(file.read_text())["rows"]
    assert row["verdict"] == "broken"
    assert "at most 589824 pixels" in row["note"]


def tiny(model: str) -> Any:
    entry = MANIFEST.find(model).model_copy(update={"dtype": "float32"})
    return entry, parts_of(entry)[entry.repo]


@pytest.mark.real
@pytest.mark.parametrize("written", [True, False])
def test_random_weights_are_written_and_loaded_or_used_as_they_are(
    tmp_path: Path, written: bool
) -> None:
    entry, make = tiny("cogvideox")
    if written:
        entry = weights.write(entry, make, tmp_path, "cpu")
        assert weights.is_written(entry, tmp_path)
    bench = Bench(
        entry=entry,
        device="cpu",
        steps=2,
        size=(64, 64, 5),
        folder=tmp_path,
        make=None if written else make,
    )

    assert {bench.figures(case)["step_s"] > 0 for case in ("diffusers", "first_block")} == {True}
    with pytest.raises(ValueError, match="acceleration: compile: transformer"):
        bench.figures("compile")


@pytest.mark.real
def test_random_weights_cannot_run_away() -> None:
    entry, make = tiny("cogvideox")
    pipeline = weights.random_pipeline(entry, make, "cpu")
    norm = pipeline.transformer.norm_final

    assert torch.equal(norm.weight, torch.ones_like(norm.weight))
    assert not norm.bias.any()
    assert pipeline.transformer.proj_out.weight.abs().max() < 0.2
    assert sum(weights.sizes(pipeline).values()) == 4 * sum(
        weight.numel()
        for part in weights.modules(pipeline).values()
        for weight in part.parameters()
    )


def test_one_model_of_each_family_is_tried() -> None:
    entries = cases.models(MANIFEST, [])

    assert {entry.family for entry in entries} == {entry.family for entry in MANIFEST}
    assert len({entry.family for entry in entries}) == len(entries)
    assert [entry.id for entry in cases.models(MANIFEST, ["svd-xt"])] == ["svd"]


@pytest.mark.parametrize("family", sorted({entry.family for entry in MANIFEST}))
def test_each_family_can_be_made_at_its_published_size(family: str) -> None:
    """In the memory that its numbers would take, none of which is taken here."""
    entry = next(entry for entry in cases.models(MANIFEST, []) if entry.family == family)
    size = weights.published_bytes(entry, weights.maker(entry))

    assert 1e9 < size < 100e9


def row(case: str, *, step: float = 1.0, peak: float = 1.0, verdict: str = "ok") -> Row:
    figures = {"load_s": 1.0, "step_s": step, "decode_s": 1.0, "total_s": 3.0, "peak_gb": peak}
    return Row(model="m", family="f", case=case, verdict=verdict, figures=figures)


@pytest.mark.parametrize(
    ("rows", "verdicts"),
    [
        ([row("diffusers"), row("worker")], ["ok", "ok"]),
        ([row("diffusers"), row("worker", step=1.1)], ["ok", "slower"]),
        ([row("worker"), row("compile", step=0.7)], ["ok", "ok"]),
        ([row("worker"), row("compile", step=1.04)], ["ok", "ok"]),
        ([row("worker"), row("compile", step=1.06)], ["ok", "slower"]),
        ([row("worker"), row("layerwise_casting", step=1.5, peak=0.6)], ["ok", "ok"]),
        ([row("worker"), row("layerwise_casting", step=0.9)], ["ok", "larger"]),
        ([row("worker"), row("sage", verdict="broken")], ["ok", "broken"]),
        ([row("diffusers", verdict="broken"), row("worker")], ["broken", "ok"]),
    ],
)
def test_what_slows_a_family_fails(rows: list[Row], verdicts: list[str]) -> None:
    made = [Row(**vars(item)) for item in rows]
    judge(made)

    assert [item.verdict for item in made] == verdicts
    failing = {"slower", "larger", "broken"}
    assert [item.fails for item in made] == [
        item.verdict in failing and item.case != "diffusers" for item in made
    ]


def test_the_table_shows_a_steps_gain_over_diffusers() -> None:
    text = table([row("diffusers", step=2.0), row("compile", step=0.5)])

    assert "| m | compile | 1 | 0.5 | 1 | 3 | 1 | 4.00x | ok |" in text
