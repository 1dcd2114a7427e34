"""Two threads and the frames between them."""

import threading
import time
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from src.errors import EncodingError, GenerationCancelled
from src.relay import Relay

Chunk = npt.NDArray[np.uint8]

#: Seconds after which something hangs; nothing here takes a tenth of it.
SOON = 20
#: Bytes of a frame here.
FRAME = 12


@pytest.fixture(autouse=True)
def no_thread_is_left() -> Iterator[None]:
    before = set(threading.enumerate())
    yield
    assert set(threading.enumerate()) <= before  # one of an earlier test's may have ended


def chunk_of(*numbers: int) -> Chunk:
    """A frame of each number."""
    return np.repeat(np.array(numbers, np.uint8), FRAME).reshape(-1, 2, 2, 3)


def numbers_of(chunks: Iterator[Chunk]) -> list[int]:
    return [int(frame[0, 0, 0]) for chunk in chunks for frame in chunk]


def in_thread(work: Any, *arguments: Any) -> Future[Any]:
    """Run in a thread that has ended when the result is asked for."""
    pool = ThreadPoolExecutor(1)
    future = pool.submit(work, *arguments)
    pool.shutdown(wait=False)
    return future


def ended(future: Future[Any]) -> Any:
    """The result, or the error; the thread has a moment to go."""
    error = future.exception(timeout=SOON)
    deadline = time.monotonic() + SOON
    while any("ThreadPool" in thread.name for thread in threading.enumerate()):
        assert time.monotonic() < deadline, "a thread is left"
        time.sleep(0.001)
    return error


def paused(chunks: list[Chunk], pauses: list[float]) -> Iterator[Chunk]:
    for index, chunk in enumerate(chunks):
        time.sleep(pauses[index % len(pauses)] if pauses else 0)
        yield chunk


PAUSES = st.lists(st.sampled_from([0.0, 0.0, 0.001, 0.003]), max_size=4)


@settings(max_examples=60)
@given(
    sizes=st.lists(st.integers(0, 4), max_size=12),
    max_frames=st.integers(0, 8),
    producer=PAUSES,
    consumer=PAUSES,
)
def test_every_frame_arrives_once_and_in_order(
    sizes: list[int], max_frames: int, producer: list[float], consumer: list[float]
) -> None:
    numbers = iter(range(sum(sizes)))
    chunks = [chunk_of(*(next(numbers) for _ in range(size))) for size in sizes]
    relay = Relay(max_bytes=max_frames * FRAME)
    feeding = in_thread(relay.feed, paused(chunks, producer))
    seen = []

    with relay:
        for index, chunk in enumerate(relay.chunks()):
            time.sleep(consumer[index % len(consumer)] if consumer else 0)
            seen.append(chunk)

    assert ended(feeding) is None
    assert [len(chunk) for chunk in seen] == sizes
    assert numbers_of(iter(seen)) == list(range(sum(sizes)))


@settings(max_examples=40)
@given(
    sizes=st.lists(st.integers(1, 4), min_size=1, max_size=10),
    max_frames=st.integers(1, 8),
)
def test_no_more_is_held_than_is_allowed_but_one_chunk_always_passes(
    sizes: list[int], max_frames: int
) -> None:
    """The reader takes its time with each chunk: the other side may be as far ahead as it can."""
    relay = Relay(max_bytes=max_frames * FRAME)
    handed_over = 0

    def counted() -> Iterator[Chunk]:
        nonlocal handed_over
        for size in sizes:
            yield chunk_of(*range(size))
            handed_over += size  # asked for the next: this one is in

    feeding = in_thread(relay.feed, counted())
    read = 0
    for chunk in relay.chunks():
        time.sleep(0.002)
        assert handed_over - read <= max(max_frames, len(chunk))
        read += len(chunk)

    assert ended(feeding) is None
    assert read == sum(sizes)


def test_a_slow_reader_keeps_nobody_who_fits_waiting() -> None:
    relay = Relay(max_bytes=10 * FRAME)

    relay.feed(iter([chunk_of(number) for number in range(10)]))  # in this very thread

    assert numbers_of(relay.chunks()) == list(range(10))


def test_a_chunk_that_was_read_is_not_kept() -> None:
    import gc
    import weakref

    class Tracked(np.ndarray[Any, Any]):
        """Arrays proper cannot be watched."""

    relay = Relay(max_bytes=10 * FRAME)
    first = chunk_of(1).view(Tracked)
    gone = weakref.ref(first)
    relay.feed(iter([first, chunk_of(2)]))
    del first
    chunks = relay.chunks()
    next(chunks)
    next(chunks)
    gc.collect()

    assert gone() is None


@pytest.mark.parametrize("after", [0, 1, 3])
@pytest.mark.parametrize("error", [RuntimeError("out of frames"), GenerationCancelled()])
def test_what_the_chunks_raise_is_raised_on_both_sides(after: int, error: Exception) -> None:
    def failing() -> Iterator[Chunk]:
        yield from (chunk_of(number) for number in range(after))
        raise error

    relay = Relay()
    feeding = in_thread(relay.feed, failing())

    with pytest.raises(type(error)) as raised, relay:
        list(relay.chunks())

    assert raised.value is error
    assert ended(feeding) is error


@pytest.mark.parametrize("max_frames", [1, 100])
def test_when_the_reader_dies_whoever_feeds_is_stopped_and_lets_go(max_frames: int) -> None:
    closed = threading.Event()

    def endless() -> Iterator[Chunk]:
        try:
            while True:
                yield chunk_of(1)
        finally:
            closed.set()

    relay = Relay(max_bytes=max_frames * FRAME)
    feeding = in_thread(relay.feed, endless())

    def read() -> None:
        with relay:
            for index, _ in enumerate(relay.chunks()):
                if index == 3:
                    raise EncodingError("the disk is full")

    with pytest.raises(EncodingError, match="disk is full") as raised:
        read()

    assert isinstance(ended(feeding), GenerationCancelled)
    assert closed.is_set()
    assert raised.value.__context__ is None


def test_a_reader_that_never_begins_stops_whoever_feeds() -> None:
    relay = Relay(max_bytes=1)
    feeding = in_thread(relay.feed, iter([chunk_of(1), chunk_of(2)]))

    relay.close()

    assert isinstance(ended(feeding), GenerationCancelled)


def test_a_relay_that_was_closed_does_not_look_like_one_that_came_to_its_end() -> None:
    relay = Relay()
    relay.feed(iter([chunk_of(1), chunk_of(2)]))
    chunks = relay.chunks()
    next(chunks)
    relay.close()

    with pytest.raises(GenerationCancelled):
        next(chunks)


def test_the_stop_event_ends_a_reader_that_waits() -> None:
    stop = threading.Event()
    relay = Relay(stop=stop)
    reading = in_thread(list, relay.chunks())
    stop.set()

    assert isinstance(ended(reading), GenerationCancelled)


def test_the_stop_event_ends_whoever_waits_to_feed() -> None:
    stop = threading.Event()
    relay = Relay(max_bytes=1, stop=stop)
    waiting = threading.Event()

    def chunks() -> Iterator[Chunk]:
        yield chunk_of(1)
        waiting.set()
        yield chunk_of(2)

    feeding = in_thread(relay.feed, chunks())
    assert waiting.wait(SOON)
    stop.set()

    assert isinstance(ended(feeding), GenerationCancelled)


def test_the_stop_event_ends_both_sides_at_once() -> None:
    stop = threading.Event()
    relay = Relay(max_bytes=5 * FRAME, stop=stop)

    def endless() -> Iterator[Chunk]:
        for number in range(10**9):
            if number == 50:
                stop.set()
            yield chunk_of(number % 256)

    feeding = in_thread(relay.feed, endless())

    with pytest.raises(GenerationCancelled), relay:
        for _ in relay.chunks():
            pass

    assert isinstance(ended(feeding), GenerationCancelled)


@pytest.mark.parametrize("with_stop", [False, True])
def test_a_thread_that_waits_takes_no_time_of_the_processor(with_stop: bool) -> None:
    stop = threading.Event() if with_stop else None
    relay = Relay(stop=stop)
    used: list[float] = []

    def read() -> None:
        before = time.thread_time()
        list(relay.chunks())
        used.append(time.thread_time() - before)

    reading = in_thread(read)
    time.sleep(0.5)
    relay.feed(iter([]))

    assert ended(reading) is None
    assert used[0] < 0.1
