"""MP4: frames through a pipe into ffmpeg's x264, none of them kept; sound beside them as AAC."""

from dataclasses import dataclass
from pathlib import Path

from ..errors import EncodingError
from ..generation import Clip
from .chunks import exact_chunks
from .ffmpeg import Ffmpeg, FfmpegFailed, FfmpegTimedOut
from .sound import SoundFile, sound_file

#: The conversion, and the tags that name it; without them players guess by the frame's size.
_TO_BT709 = (
    "scale=out_color_matrix=bt709:out_range=tv:flags=accurate_rnd+full_chroma_int+bicubic,"
    "format=yuv420p,"
    "setparams=color_primaries=bt709:color_trc=bt709:colorspace=bt709:range=tv"
)


#: What the fastest presets leave out and should not: looking ten frames ahead, to spend bits on
#: what stays. A file of the same PSNR is a third of the size, in no more time (decision 9).
_LOOK_AHEAD = ("-x264-params", "mbtree=1:rc-lookahead=10")
_WITHOUT_LOOK_AHEAD = ("ultrafast", "superfast")
#: ffmpeg's own encoder; at this rate stereo is hardly told from what went in.
_AAC = ("-c:a", "aac", "-b:a", "192k")


@dataclass(frozen=True, kw_only=True)
class Mp4Options:
    """The trade between speed, size and quality."""

    #: x264's constant rate factor: lower is better and larger.
    crf: int
    #: x264's own names, "ultrafast" to "slow".
    preset: str
    #: Seconds that ffmpeg may keep us waiting for one video.
    timeout: float


def write_mp4(clip: Clip, path: Path, *, options: Mp4Options, ffmpeg: str) -> None:
    """H.264 in yuv420p, tagged bt709, ready to play before it is loaded whole.

    A clip's sound ends with its last frame at the latest. Raises EncodingError; what the clip's
    own chunks raise goes through.
    """
    try:
        with (
            sound_file(clip, path.parent) as sound,
            Ffmpeg(
                ffmpeg, _arguments(clip, path, options, sound), timeout=options.timeout
            ) as process,
        ):
            for chunk in exact_chunks(clip):
                process.write(chunk)
            process.finish()
    except FfmpegTimedOut as error:
        raise EncodingError(f"ffmpeg took longer than {options.timeout:g} s") from error
    except FfmpegFailed as error:
        raise EncodingError(f"ffmpeg failed: {error}") from error


def _arguments(clip: Clip, path: Path, options: Mp4Options, sound: SoundFile | None) -> list[str]:
    return [
        *("-f", "rawvideo", "-pixel_format", "rgb24"),
        *("-video_size", f"{clip.width}x{clip.height}"),
        *("-framerate", f"{clip.fps.numerator}/{clip.fps.denominator}"),
        *("-i", "pipe:0"),
        *(sound.arguments() if sound else ()),
        *("-vf", _TO_BT709),
        *("-c:v", "libx264", "-preset", options.preset, "-crf", str(options.crf)),
        *(_LOOK_AHEAD if options.preset in _WITHOUT_LOOK_AHEAD else ()),
        *(_AAC if sound else ()),
        *("-movflags", "+faststart", "-f", "mp4", "-y", f"file:{path.absolute()}"),
    ]
