import pytest

from src.pipelines import FAMILIES


@pytest.mark.parametrize(
    ("family", "asked", "generated"),
    [
        ("cogvideox", (854, 480, 16), (864, 480, 17)),
        ("cogvideox", (720, 480, 49), (720, 480, 49)),
        ("cogvideox", (512, 512, 1), (512, 512, 1)),
        ("cogvideox", (512, 512, 2), (512, 512, 9)),
        ("cogvideox", (512, 512, 25), (512, 512, 25)),
        ("stable_video_diffusion", (854, 480, 16), (856, 480, 16)),
        ("stable_video_diffusion", (1024, 576, 25), (1024, 576, 25)),
        ("stable_video_diffusion", (512, 512, 1), (512, 512, 2)),
        ("animatediff", (854, 480, 16), (856, 480, 16)),
        ("animatediff", (1, 1, 1), (64, 64, 1)),
        ("animatediff", (513, 512, 30), (520, 512, 30)),
    ],
)
def test_what_is_generated_is_the_next_thing_up_that_the_family_can_do(
    family: str, asked: tuple[int, int, int], generated: tuple[int, int, int]
) -> None:
    width, height, frames = asked
    plan = FAMILIES[family].plan(width=width, height=height, num_frames=frames)

    assert (plan.generated_width, plan.generated_height, plan.generated_frames) == generated
    assert (plan.width, plan.height, plan.num_frames) == asked


def test_the_cut_is_centred() -> None:
    plan = FAMILIES["cogvideox"].plan(width=853, height=470, num_frames=9)

    assert (plan.generated_width, plan.left) == (864, 5)
    assert (plan.generated_height, plan.top) == (480, 5)


def test_every_family_goes_by_the_name_of_its_file() -> None:
    assert {name: family.name for name, family in FAMILIES.items()} == {
        name: name for name in FAMILIES
    }
