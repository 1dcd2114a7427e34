"""The words and sentences that scenes are told in, and those kept for the evaluation."""

from __future__ import annotations

COLOR_WORDS = {
    "red": ("red", "scarlet"),
    "orange": ("orange",),
    "yellow": ("yellow",),
    "green": ("green",),
    "cyan": ("cyan", "turquoise"),
    "blue": ("blue",),
    "purple": ("purple", "violet"),
    "pink": ("pink",),
}
SHAPE_WORDS = {
    "circle": ("circle", "ball", "disc"),
    "square": ("square", "box"),
    "triangle": ("triangle",),
    "star": ("star",),
}
SIZE_WORDS = {
    "small": ("small", "little", "tiny"),
    "medium": ("medium",),
    "large": ("large", "big", "huge"),
}
GROUND_WORDS = {
    "black": ("black",),
    "gray": ("gray", "grey"),
    "white": ("white",),
    "brown": ("brown",),
}
#: What it does, and how it is told of it while it does.
_GOES = (
    ("moves", "moving"),
    ("slides", "sliding"),
    ("goes", "going"),
    ("drifts", "drifting"),
    ("travels", "traveling"),
)
MOTION_WORDS: dict[str, tuple[tuple[str, str], ...]] = {
    "left": tuple(
        (f"{does} {where}", f"{doing} {where}")
        for does, doing in _GOES
        for where in ("left", "to the left", "leftwards", "from right to left")
    ),
    "right": tuple(
        (f"{does} {where}", f"{doing} {where}")
        for does, doing in _GOES
        for where in ("right", "to the right", "rightwards", "from left to right")
    ),
    "up": (
        ("rises", "rising"),
        ("climbs", "climbing"),
        *(
            (f"{does} {where}", f"{doing} {where}")
            for does, doing in (*_GOES, ("floats", "floating"))
            for where in ("up", "upwards", "to the top")
        ),
    ),
    "down": (
        ("falls", "falling"),
        ("sinks", "sinking"),
        ("drops", "dropping"),
        *(
            (f"{does} {where}", f"{doing} {where}")
            for does, doing in (*_GOES, ("falls", "falling"))
            for where in ("down", "downwards", "to the bottom")
        ),
    ),
    "still": (
        ("stands still", "standing still"),
        ("does not move", "not moving"),
        ("stays in place", "staying in place"),
        ("rests", "resting"),
        ("is motionless", "motionless"),
    ),
    "rotate": (
        ("rotates", "rotating"),
        ("spins", "spinning"),
        ("turns", "turning"),
        ("turns around", "turning around"),
    ),
    "grow": (
        ("grows", "growing"),
        ("gets bigger", "getting bigger"),
        ("expands", "expanding"),
        ("becomes larger", "becoming larger"),
    ),
    "bounce": (
        ("bounces", "bouncing"),
        ("bounces up and down", "bouncing up and down"),
        ("jumps up and down", "jumping up and down"),
        ("hops", "hopping"),
    ),
}
#: `a` is the thing, `does` and `doing` what it does, `on` the background.
SENTENCES = (
    "{a} {does}",
    "{a} {doing}",
    "{a} {does} {on}",
    "{a} {doing} {on}",
    "{a} that {does}",
    "{a} {on} {does}",
    "a video of {a} {doing}",
    "a video of {a} that {does} {on}",
    "{on} {a} {does}",
    "{doing}: {a}",
    "{a}, {doing}",
    "{a}, {doing}, {on}",
    "the clip shows {a}. it {does}",
    "an animation of {a} {doing} {on}",
)
#: Kept for the evaluation.
NEW_SENTENCES = (
    "we see {a} {doing}",
    "show me {a} which {does} {on}",
    "{on}, a video of {a} {doing}",
    "there is {a} and it {does}",
    "an animation: {a}, it {does}",
    "please draw {a} that {does}",
)
PAIRS = (
    "{a} and {b}, both {doing}",
    "{a} and {b} {doing} {on}",
    "{a} next to {b}, {doing}",
    "{a} on the left and {b} on the right, {doing}",
    "a video of {a} and {b} {doing}",
    "{a} beside {b} {on}, both {doing}",
    # A sentence that begins as one of a single thing may go on with another, and without "and".
    "an animation of {a} and {b} {doing} {on}",
    "an animation of {a} next to {b}, both {doing}",
    "the clip shows {a} and {b}, both {doing}",
    "{doing} {on}: {a} and {b}",
    "left {a}, right {b}, {doing}",
    "on the left {a}, on the right {b}, both {doing}",
    "{a} beside {b}, {doing} {on}",
)
NEW_PAIRS = (
    "we see {a} next to {b}, both {doing}",
    "an animation of {a} on the left, {b} on the right, both {doing} {on}",
    "{on}, {a} and {b} {doing}",
)
#: Parts of it: what is not said may be anything.
PARTS = (
    "{a}",
    "{color}",
    "{shape}",
    "{color} {shape}",
    "{doing}",
    "{a} {on}",
    "{on}",
    "a {color} shape",
)
ON = (
    "on a {ground} background",
    "on {ground}",
    "before a {ground} background",
    "on a {ground} ground",
)
