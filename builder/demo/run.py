"""A training run that can be stopped at any time: its workers, its checkpoints, its log.

Two threads work on halves of a batch, each without torch's own threads: beside other programs
those wait for each other most of the time (7 clips a second against 29 on a shared machine).
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from tqdm import tqdm

WORKERS = 2
#: Seconds between two checkpoints.
SAVE_EVERY = 180.0
#: Steps that the rates rise over.
WARM_UP = 50
#: Of the averaged weights, a step.
AVERAGE = 0.995

Loss = Callable[[Any], torch.Tensor]


class Crew:
    """Threads that work out gradients side by side."""

    def __init__(self) -> None:
        """One thread of torch's own a worker."""
        torch.set_num_threads(1)
        self.workers = ThreadPoolExecutor(WORKERS, initializer=torch.set_num_threads, initargs=(1,))

    def gradients(
        self, parameters: Sequence[torch.nn.Parameter], loss: Loss, parts: Sequence[Any]
    ) -> float:
        """Set the parameters' gradients to the mean over the parts; gives the mean loss."""

        def work(part: Any) -> tuple[float, Sequence[torch.Tensor]]:
            value = loss(part)
            return value.item(), torch.autograd.grad(value, parameters)

        done = list(self.workers.map(work, parts))
        for parameter, *pieces in zip(parameters, *(found for _, found in done), strict=True):
            parameter.grad = torch.stack(pieces).mean(0) if len(pieces) > 1 else pieces[0]
        return sum(value for value, _ in done) / len(done)


class Average:
    """Weights averaged over the last steps, which stand nearer to the goal than any of them."""

    def __init__(self, network: torch.nn.Module) -> None:
        """Begin at the network's weights."""
        self._network = network
        self.weights = {name: value.clone() for name, value in network.state_dict().items()}

    @torch.no_grad()
    def update(self, steps: int) -> None:
        """After a step, the `steps`-th: the first ones count for less."""
        keep = min(AVERAGE, (1 + steps) / (10 + steps))
        for name, value in self._network.state_dict().items():
            self.weights[name].lerp_(value, 1 - keep)

    @contextmanager
    def worn(self) -> Iterator[None]:
        """The network has these weights meanwhile."""
        kept = {name: value.clone() for name, value in self._network.state_dict().items()}
        self._network.load_state_dict(self.weights)
        try:
            yield
        finally:
            self._network.load_state_dict(kept)


class Log:
    """Lines for who watches: at the terminal, and in a file that later runs add to."""

    def __init__(self, path: Path) -> None:
        """The file's folder is made."""
        path.parent.mkdir(parents=True, exist_ok=True)
        self._path = path

    def say(self, line: str) -> None:
        """Print the line above any bar, and write it down with the time."""
        tqdm.write(line)
        with self._path.open("a", encoding="utf-8") as file:
            file.write(f"{time.strftime('%m-%d %H:%M:%S')} {line}\n")


class Learner:
    """A network, what steps it, its average, and the checkpoint that it goes on from."""

    def __init__(
        self,
        network: torch.nn.Module,
        optimizers: Sequence[torch.optim.Optimizer],
        *,
        path: Path,
        crew: Crew,
        log: Log,
    ) -> None:
        """`path` is the checkpoint's; the rates that the optimizers have are their highest."""
        self.network, self.average, self.step = network, Average(network), 0
        self.log = log
        self._crew, self._path, self._optimizers = crew, path, optimizers
        self._parameters = [value for value in network.parameters() if value.requires_grad]
        self._rates = [group["lr"] for group in self._groups()]
        self._resume()

    def learn(self, loss: Loss, parts: Sequence[Any], *, share: float) -> float:
        """One step at that share of the rates; gives the mean loss."""
        share *= min(1.0, (self.step + 1) / WARM_UP)
        for group, rate in zip(self._groups(), self._rates, strict=True):
            group["lr"] = rate * share
        value = self._crew.gradients(self._parameters, loss, parts)
        torch.nn.utils.clip_grad_norm_(self._parameters, 1.0)
        for optimizer in self._optimizers:
            optimizer.step()
        self.step += 1
        self.average.update(self.step)
        return value

    def paces(self, steps: int) -> Iterator[tuple[bool, str]]:
        """Until so many steps are done: whether to tell of it now, and the time that it takes.

        Writes a checkpoint every few minutes and at the end, and shows a bar in a terminal. Who
        iterates, calls `learn` once.
        """
        saved = began = time.monotonic()
        first, name = self.step, self._path.stem
        with tqdm(desc=name, total=steps, initial=first, unit="step", disable=None) as bar:
            while self.step < steps:
                done = self.step + 1
                pace = (time.monotonic() - began) / max(self.step - first, 1)
                left = (steps - self.step) * pace / 60
                yield done % 100 == 0, f"{done}/{steps} {pace:.2f} s a step, {left:.0f} min left"
                bar.update()
                if time.monotonic() - saved > SAVE_EVERY or self.step >= steps:
                    self.save()
                    saved = time.monotonic()

    def wear_average(self) -> None:
        """For good: training does not go on from here."""
        self.network.load_state_dict(self.average.weights)
        self.network.eval()

    def save(self) -> None:
        """Write the checkpoint."""
        state = {
            "step": self.step,
            "network": self.network.state_dict(),
            "average": self.average.weights,
            "optimizers": [optimizer.state_dict() for optimizer in self._optimizers],
        }
        save(self._path, state)

    def _groups(self) -> list[dict[str, Any]]:
        return [group for optimizer in self._optimizers for group in optimizer.param_groups]

    def _resume(self) -> None:
        state = load(self._path)
        if state is None:
            return
        self.step = state["step"]
        self.network.load_state_dict(state["network"])
        self.average.weights = state["average"]
        for optimizer, kept in zip(self._optimizers, state["optimizers"], strict=True):
            optimizer.load_state_dict(kept)
        self.log.say(f"{self._path.stem} goes on at step {self.step}")


def save(path: Path, state: dict[str, Any]) -> None:
    """Write a checkpoint, whole or not at all."""
    beside = path.with_suffix(".part")
    torch.save(state, beside)
    beside.replace(path)


def load(path: Path) -> dict[str, Any] | None:
    """The checkpoint, or None where there is none."""
    if not path.is_file():
        return None
    state: dict[str, Any] = torch.load(path, weights_only=True)
    return state
