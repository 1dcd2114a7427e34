"""`python -m serve`: everything on this machine, until Ctrl-C."""

from __future__ import annotations

import argparse
import signal
import sys
import threading
from pathlib import Path
from types import FrameType

from . import __doc__ as about
from . import recipes
from .house import House, NotUp, Plan, Stopped
from .ports import PortTaken

ROOT = Path(__file__).parent.parent


def main() -> None:
    """Start, say where everything is, and wait."""
    arguments = _arguments()
    over = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, lambda *said: _end(over, *said))
    plan = Plan(
        root=ROOT,
        folder=arguments.folder.resolve(),
        models=arguments.models.resolve(),
        port=arguments.port,
        platform_port=arguments.platform_port,
    )
    try:
        with House(plan, say=_say, over=over) as house:
            _tell(house)
            house.watch()
            _say("ending: a video that is being made is finished; Ctrl-C again to leave it")
    except Stopped:
        pass
    except (PortTaken, NotUp) as error:
        sys.exit(f"cannot serve: {error}")
    except KeyboardInterrupt:
        sys.exit(130)


def _end(over: threading.Event, number: int, _: FrameType | None) -> None:
    """The first signal ends it in order, the second at once."""
    if over.is_set():
        raise KeyboardInterrupt(number)
    over.set()


def _tell(house: House) -> None:
    lines = (
        "",
        f"A page to try it:  {house.url}/",
        f"All routes:        {house.url}/docs",
        "",
        "# ModelsLab's API",
        recipes.modelslab(house.url),
        "",
        "# OpenAI's API, as vLLM-Omni has it",
        recipes.openai(house.url),
        "",
        "# LocalAI's API",
        recipes.localai(house.url),
        "",
        "# RunPod's SDK, without the gateway",
        recipes.runpod_sdk(house.platform_url),
        "",
        "Ctrl-C ends it.",
    )
    for line in lines:
        _say(line)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m serve",
        description=about,
        formatter_class=argparse.ArgumentDefaultsHelpFormatter,
    )
    parser.add_argument("--port", type=int, default=8080, help="the gateway's; 0 for any")
    parser.add_argument("--platform-port", type=int, default=8000, help="0 for any")
    parser.add_argument("--models", type=Path, default=ROOT / "out/tiny-models", help="weights")
    parser.add_argument(
        "--folder", type=Path, default=ROOT / "out/serve", help="logs, database and notes"
    )
    return parser.parse_args()


def _say(line: str) -> None:
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    main()
