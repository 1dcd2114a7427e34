from typing import Any

import pytest

from src.errors import InvalidRequest
from src.generation import GenerationRequest, Parameters, Task
from src.manifest import AdapterEntry, AdapterKind, Manifest
from src.pipelines.choices import Choices


def adapter(id_: str, kind: AdapterKind = AdapterKind.LORA, **other: Any) -> AdapterEntry:
    return AdapterEntry(
        id=id_, kind=kind, **({"models": frozenset({"one"}), "repo": f"owner/{id_}"} | other)
    )


ADAPTERS = (
    adapter("ink", aliases=("Ink-Style",)),
    adapter("oil"),
    adapter("of-another-model", models=frozenset({"two"})),
    adapter(
        "lcm",
        AdapterKind.MOTION_MODULE,
        defaults={"num_inference_steps": 8, "guidance_scale": 2.0},
    ),
    adapter("none", AdapterKind.DOMAIN_LORA, repo=None, defaults={"guidance_scale": 9.0}),
)
CHOICES = Choices(
    Manifest(models=(), adapters=ADAPTERS),
    lora_repos=("someone/*", "them/style-?"),
    is_there=lambda entry: entry.repo != "someone/absent",
)


def found(name: str, kind: AdapterKind = AdapterKind.LORA, model: str = "one") -> str | None:
    entry = CHOICES.find(model, kind, name)
    return entry.id if entry else None


@pytest.mark.parametrize("name", ["ink", "INK", " ink ", "Ink-Style", "ink-style"])
def test_an_adapter_goes_by_its_id_and_aliases_whatever_their_case(name: str) -> None:
    assert found(name) == "ink"


@pytest.mark.parametrize("name", ["of-another-model", "lcm", "owner/ink", "sepia", ""])
def test_an_adapter_of_another_kind_or_model_is_none(name: str) -> None:
    assert found(name) is None


@pytest.mark.parametrize("name", ["someone/lora", "someone/a.b-c", "them/style-1"])
def test_a_repository_that_the_operator_allows_is_a_lora_of_any_model(name: str) -> None:
    for model in ("one", "two"):
        entry = CHOICES.find(model, AdapterKind.LORA, name)
        assert entry
        assert (entry.repo, entry.models) == (name, frozenset({model}))


@pytest.mark.parametrize(
    "name",
    [
        "other/lora",
        "them/style-12",
        "someone/absent",
        "someone/..",
        "someone/../../etc",
        "someone/.hidden",
        "/someone/lora",
        "someone/a/b",
        "Someone/lora",
    ],
)
def test_any_other_repository_and_every_path_is_none(name: str) -> None:
    assert found(name) is None


def test_only_loras_may_be_repositories() -> None:
    assert {kind for kind in AdapterKind if found("someone/lora", kind)} == {AdapterKind.LORA}


def test_a_name_that_is_not_there_is_told_with_those_that_are() -> None:
    request = GenerationRequest(
        task=Task.TEXT2VIDEO,
        parameters=Parameters(lora_models=("ink", "sepia"), motion_module="v9"),
        field_names={"lora_models": "loras"},
    )

    with pytest.raises(
        InvalidRequest,
        match=r"^loras must be among those that one has here \(ink, oil\), got 'sepia'",
    ):
        CHOICES.check(request, model="one", names={"lora_models", "motion_module"})
    with pytest.raises(InvalidRequest, match=r"motion_module .* \(none\), got 'v9'"):
        CHOICES.check(request, model="two", names={"motion_module"})
    CHOICES.check(request, model="one", names={"prompt"})


def test_an_adapter_says_what_it_was_made_for() -> None:
    named = Parameters(motion_module="LCM", adapter_lora="none", lora_models=("ink",))

    assert CHOICES.wanted(named, model="one").given() == {
        "num_inference_steps": 8,
        "guidance_scale": 9.0,  # the domain adapter's, which comes first
    }
    assert CHOICES.wanted(named, model="two") == Parameters()
    assert CHOICES.wanted(Parameters(), model="one") == Parameters()
