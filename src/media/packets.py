"""What a video's packets say of its size and its time, before anything is decoded.

A header can promise anything; packets are counted one by one. There is no ffprobe beside our
ffmpeg, so its framecrc format is read: a few `#name 0: value` lines, then for each packet
stream, decoding time, presentation time, duration, size, checksum, and flags if there are any.
"""

from dataclasses import dataclass
from fractions import Fraction
from itertools import pairwise

_NO_TIME = "NOPTS"
_NO_SIZE = "0x0"
_CORRUPT = 0x2


@dataclass(frozen=True, kw_only=True)
class Packets:
    """One video stream, measured."""

    codec: str
    width: int
    height: int
    count: int
    #: A packet has fewer bytes than the header promised.
    cut_short: bool
    #: Seconds from the first frame's beginning to the last frame's beginning.
    span: Fraction
    #: Seconds between the two beginnings that are nearest to each other; 0 for one frame.
    shortest: Fraction
    #: Seconds from the first frame's beginning to the last frame's end.
    duration: Fraction


def parse_packets(framecrc: str) -> Packets | None:
    """The stream that ffmpeg's framecrc output describes; None if it has no frame or no size."""
    lines = framecrc.splitlines()
    header = dict(line[1:].split(" 0: ", 1) for line in lines if " 0: " in line)
    packets = [line.split(",") for line in lines if not line.startswith("#")]
    timed = [packet for packet in packets if _NO_TIME not in packet[2]]
    if not timed or header.get("dimensions", _NO_SIZE) == _NO_SIZE:
        return None
    return _measured(header, timed)


def _measured(header: dict[str, str], packets: list[list[str]]) -> Packets:
    width, height = (int(side) for side in header["dimensions"].split("x"))
    unit = Fraction(header["tb"])
    begins = sorted(int(packet[2]) for packet in packets)
    end = max(int(packet[2]) + int(packet[3]) for packet in packets)
    return Packets(
        codec=header["codec_id"],
        width=width,
        height=height,
        count=len(packets),
        cut_short=any(_flags(packet) & _CORRUPT for packet in packets),
        span=(begins[-1] - begins[0]) * unit,
        shortest=min((after - before for before, after in pairwise(begins)), default=0) * unit,
        duration=(end - begins[0]) * unit,
    )


def _flags(packet: list[str]) -> int:
    """The number behind F=; without it a packet is an ordinary key frame."""
    values = [part.strip().removeprefix("F=") for part in packet if "F=" in part]
    return int(values[0], 16) if values else 0
