import threading
from collections.abc import Iterable
from contextlib import suppress

import pytest

from src.generation import Stage
from src.notify import Pace, PaceOfJob

WORK = 100


class Clock:
    """Stands still until it is moved."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def pace(clock: Clock) -> Pace:
    return Pace(clock=clock)


def go(job: PaceOfJob, clock: Clock, steps: Iterable[float], *, total: int) -> None:
    """Take steps of so many seconds."""
    for done, seconds in enumerate(steps, start=1):
        clock.now += seconds
        job.step(done, total)


def do_job(
    pace: Pace,
    clock: Clock,
    *,
    model: str = "m",
    work: int = WORK,
    first: float = 2,
    each: float = 1,
    encode: float = 3,
    store: float = 4,
) -> None:
    """A whole job of four steps."""
    with pace.job(model, work=work, steps=4) as job:
        for stage in (Stage.FETCH, Stage.WAIT, Stage.LOAD, Stage.GENERATE):
            job.stage(stage)
        go(job, clock, [first, each, each, each], total=4)
        job.stage(Stage.ENCODE)
        clock.now += encode
        job.stage(Stage.STORE)
        clock.now += store


def test_nothing_is_known_of_a_first_job_before_its_first_step(pace: Pace) -> None:
    with pace.job("m", work=WORK, steps=10) as job:
        for stage in (Stage.FETCH, Stage.WAIT, Stage.LOAD, Stage.GENERATE):
            job.stage(stage)
            assert job.eta() is None


@pytest.mark.parametrize(
    ("steps", "eta"),
    [
        ([5], 45),  # all there is to go by
        ([5, 1], 8),  # the first is not like the others
        ([5, 1, 1, 30, 1], 5),  # one that stalls is not either
        ([1, 1, 1, 1, 3, 3, 3], 9),  # the last few count: a second pass is of another size
    ],
)
def test_a_first_job_goes_by_its_own_steps(
    pace: Pace, clock: Clock, steps: list[float], eta: float
) -> None:
    with pace.job("m", work=WORK, steps=10) as job:
        job.stage(Stage.GENERATE)
        go(job, clock, steps, total=10)

        assert job.eta() == pytest.approx(eta)


def test_seconds_run_down_during_a_step_and_stop_where_it_should_have_ended(
    pace: Pace, clock: Clock
) -> None:
    with pace.job("m", work=WORK, steps=5) as job:
        job.stage(Stage.GENERATE)
        go(job, clock, [2, 2, 2], total=5)
        etas = []
        for _ in range(4):
            etas.append(job.eta())
            clock.now += 1

    assert etas == pytest.approx([4, 3, 2, 2])


def test_a_total_that_grows_makes_it_longer(pace: Pace, clock: Clock) -> None:
    with pace.job("m", work=WORK, steps=5) as job:
        job.stage(Stage.GENERATE)
        go(job, clock, [1, 1], total=12)

        assert job.eta() == pytest.approx(10)


def test_after_its_steps_a_first_job_does_not_know(pace: Pace, clock: Clock) -> None:
    with pace.job("m", work=WORK, steps=2) as job:
        job.stage(Stage.GENERATE)
        go(job, clock, [1, 1], total=2)

        assert job.eta() is None


def test_a_later_job_goes_by_an_earlier_one_from_the_start(pace: Pace, clock: Clock) -> None:
    do_job(pace, clock, first=2, each=1, encode=3, store=4)
    etas: dict[str, float | None] = {}

    with pace.job("m", work=WORK, steps=4) as job:
        etas["fetch"] = job.eta()
        job.stage(Stage.WAIT)
        etas["wait"] = job.eta()
        job.stage(Stage.GENERATE)
        clock.now += 1.5
        etas["before the first step"] = job.eta()
        clock.now += 0.5
        job.step(1, 4)
        go(job, clock, [1, 1, 1], total=4)
        job.step(4, 4)
        job.stage(Stage.ENCODE)
        clock.now += 2
        etas["encode"] = job.eta()
        clock.now += 1
        job.stage(Stage.STORE)
        clock.now += 1
        etas["store"] = job.eta()
        clock.now += 100
        etas["overdue"] = job.eta()

    assert etas == pytest.approx(
        {
            "fetch": 12,
            "wait": 12,
            "before the first step": 10.5,
            "encode": 5,
            "store": 3,
            "overdue": 0,
        }
    )


def test_a_job_of_twice_the_size_and_steps_takes_so_much_longer(pace: Pace, clock: Clock) -> None:
    do_job(pace, clock, first=2, each=1, encode=3, store=4)

    with pace.job("m", work=2 * WORK, steps=8) as job:
        # One second for what comes before the steps, whatever their size.
        assert job.eta() == pytest.approx(1 + 8 * 2 + 2 * 3 + 2 * 4)


def test_other_models_tell_nothing(pace: Pace, clock: Clock) -> None:
    do_job(pace, clock, model="other")

    with pace.job("m", work=WORK, steps=4) as job:
        assert job.eta() is None


def test_one_odd_job_among_earlier_ones_changes_nothing(pace: Pace, clock: Clock) -> None:
    for each in (1, 1, 60, 1, 1):
        do_job(pace, clock, first=each, each=each)

    with pace.job("m", work=WORK, steps=4) as job:
        assert job.eta() == pytest.approx(4 + 3 + 4)


def test_a_model_that_has_become_slower_is_learnt_anew(pace: Pace, clock: Clock) -> None:
    for each in (1,) * 20 + (5,) * 8:
        do_job(pace, clock, first=each, each=each, encode=0, store=0)

    with pace.job("m", work=WORK, steps=4) as job:
        assert job.eta() == pytest.approx(20)


def test_a_job_that_fails_teaches_nothing(pace: Pace, clock: Clock) -> None:
    with suppress(OSError), pace.job("m", work=WORK, steps=2) as job:
        job.stage(Stage.GENERATE)
        go(job, clock, [1, 1], total=2)
        job.stage(Stage.STORE)
        raise OSError("the disk is full")

    with pace.job("m", work=WORK, steps=2) as job:
        assert job.eta() is None


def test_a_job_that_ends_before_its_steps_teaches_nothing(pace: Pace, clock: Clock) -> None:
    with pace.job("m", work=WORK, steps=4) as job:  # its result was there already
        job.stage(Stage.FETCH)
    with pace.job("m", work=WORK, steps=4) as job:
        job.stage(Stage.GENERATE)
        go(job, clock, [1, 1], total=4)

    with pace.job("m", work=WORK, steps=4) as job:
        assert job.eta() is None


def test_a_job_of_one_step_is_enough_to_learn_from(pace: Pace, clock: Clock) -> None:
    with pace.job("m", work=WORK, steps=1) as job:
        job.stage(Stage.GENERATE)
        go(job, clock, [3], total=1)

    with pace.job("m", work=WORK, steps=2) as job:
        assert job.eta() == pytest.approx(6)


def test_who_waits_adds_the_gpu_time_of_who_is_before_it(pace: Pace, clock: Clock) -> None:
    do_job(pace, clock, first=2, each=1, encode=3, store=4)  # 8 s on the GPU, 12 s in all

    with (
        pace.job("m", work=WORK, steps=4) as running,
        pace.job("m", work=WORK, steps=4) as second,
        pace.job("m", work=WORK, steps=4) as third,
        pace.job("m", work=WORK, steps=4) as fetching,
    ):
        running.stage(Stage.GENERATE)
        clock.now += 2
        running.step(1, 4)
        second.stage(Stage.WAIT)
        clock.now += 0.25
        third.stage(Stage.WAIT)
        first_look = [job.eta() for job in (running, second, third, fetching)]
        running.stage(Stage.STORE)  # the GPU is free
        second_look = [job.eta() for job in (second, third)]

    assert first_look == pytest.approx([9.75, 5.75 + 12, 5.75 + 8 + 12, 5.75 + 16 + 12])
    assert second_look == pytest.approx([12, 8 + 12])


def test_what_is_not_known_of_who_is_before_it_is_left_out(pace: Pace, clock: Clock) -> None:
    do_job(pace, clock)

    with (
        pace.job("new", work=WORK, steps=4) as running,
        pace.job("m", work=WORK, steps=4) as waiting,
    ):
        running.stage(Stage.GENERATE)
        waiting.stage(Stage.WAIT)
        assert waiting.eta() == pytest.approx(12)

        clock.now += 5
        running.step(1, 4)
        assert waiting.eta() == pytest.approx(15 + 12)


def test_a_gpu_that_is_free_while_encoding_is_not_waited_for(clock: Clock) -> None:
    pace = Pace(clock=clock, on_gpu=(Stage.LOAD, Stage.GENERATE))
    do_job(pace, clock, first=2, each=1, encode=3, store=4)

    with (
        pace.job("m", work=WORK, steps=4) as running,
        pace.job("m", work=WORK, steps=4) as waiting,
    ):
        waiting.stage(Stage.WAIT)
        running.stage(Stage.GENERATE)
        go(running, clock, [2, 1, 1, 1], total=4)
        running.stage(Stage.ENCODE)

        assert waiting.eta() == pytest.approx(12)
        assert running.eta() == pytest.approx(7)


def test_a_job_that_has_left_is_not_waited_for(pace: Pace, clock: Clock) -> None:
    do_job(pace, clock)
    with suppress(OSError), pace.job("m", work=WORK, steps=4) as failing:
        failing.stage(Stage.GENERATE)
        raise OSError("the disk is full")

    with pace.job("m", work=WORK, steps=4) as waiting:
        waiting.stage(Stage.WAIT)
        assert waiting.eta() == pytest.approx(12)


def test_of_so_many_models_the_one_that_nobody_used_for_longest_is_forgotten(
    pace: Pace, clock: Clock
) -> None:
    def is_known(model: str) -> bool:
        return pace.job(model, work=WORK, steps=4).eta() is not None

    models = [f"model-{number}" for number in range(64)]
    for model in [*models, "model-0", "new"]:
        do_job(pace, clock, model=model)

    assert [model for model in models if not is_known(model)] == ["model-1"]
    assert is_known("new")


def test_threads_may_step_and_ask_at_once() -> None:
    pace = Pace()
    wrong: list[float | None] = []

    def work() -> None:
        for _ in range(20):
            with pace.job("m", work=WORK, steps=10) as job:
                job.stage(Stage.WAIT)
                job.stage(Stage.GENERATE)
                for done in range(1, 11):
                    job.step(done, 10)
                    eta = job.eta()
                    if eta is not None and eta < 0:
                        wrong.append(eta)
                job.stage(Stage.STORE)

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert wrong == []
    eta = pace.job("m", work=WORK, steps=10).eta()
    assert eta is not None
    assert 0 <= eta < 60
