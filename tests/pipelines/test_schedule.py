"""Another flow shift, for one call."""

from types import SimpleNamespace
from typing import Any

import pytest
import torch
from diffusers import DDIMScheduler, FlowMatchEulerDiscreteScheduler, UniPCMultistepScheduler

from src.generation import Parameters
from src.pipelines.family import Inputs, Plan
from src.pipelines.schedule import shifted

PLAN = Plan(
    width=64,
    height=64,
    num_frames=1,
    generated_width=64,
    generated_height=64,
    generated_frames=1,
)


def inputs(flow_shift: float | None) -> Inputs:
    parameters = Parameters(flow_shift=flow_shift)
    return Inputs(plan=PLAN, parameters=parameters, generator=torch.Generator())


def pipeline(scheduler: Any) -> Any:
    return SimpleNamespace(scheduler=scheduler)


def sigmas(scheduler: Any) -> list[float]:
    scheduler.set_timesteps(4)
    return [float(sigma) for sigma in scheduler.sigmas]


SCHEDULERS = [
    (UniPCMultistepScheduler, "flow_shift", {"use_flow_sigmas": True}),
    (FlowMatchEulerDiscreteScheduler, "shift", {"num_train_timesteps": 500}),
]


@pytest.mark.parametrize(("scheduler", "name", "figures"), SCHEDULERS)
def test_a_call_is_made_on_the_schedule_that_was_asked_for(
    scheduler: Any, name: str, figures: dict[str, Any]
) -> None:
    own = scheduler(**figures, **{name: 3.0})
    model = pipeline(own)
    asked = scheduler(**figures, **{name: 7.0})

    with shifted(model, inputs(7)):
        assert sigmas(model.scheduler) == sigmas(asked) != sigmas(own)
        assert model.scheduler.config[name] == 7.0
    assert model.scheduler is own
    assert own.config[name] == 3.0


def test_a_call_that_fails_leaves_the_pipeline_its_own_schedule() -> None:
    own = UniPCMultistepScheduler(use_flow_sigmas=True)
    model = pipeline(own)

    with pytest.raises(RuntimeError, match="out of luck"), shifted(model, inputs(7.0)):
        raise RuntimeError("out of luck")
    assert model.scheduler is own


def test_nothing_changes_where_no_shift_is_asked_for() -> None:
    own = DDIMScheduler()
    model = pipeline(own)

    with shifted(model, inputs(None)):
        assert model.scheduler is own


def test_a_scheduler_that_has_no_shift_is_named() -> None:
    with (
        pytest.raises(ValueError, match="DDIMScheduler has no flow shift"),
        shifted(pipeline(DDIMScheduler()), inputs(7.0)),
    ):
        pass
