"""`make browser-test`: a person at the page, in a real Chromium, against `make serve`.

Prints what it did, and leaves the page as a picture. It runs apart from `make test`: a browser is
not everywhere.
"""

from __future__ import annotations

import argparse
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

import imageio_ffmpeg
from selenium import webdriver
from selenium.webdriver.common.by import By
from selenium.webdriver.remote.webelement import WebElement
from selenium.webdriver.support.ui import Select, WebDriverWait

#: Seconds for one video of the embedded model, and for anything else.
VIDEO, PATIENCE = 180, 20
SIZE = (1180, 1020)
#: Its colours must come back in the first frame of what is shown, or nothing was decoded.
PROBE = """
const video = document.getElementById("player");
const canvas = document.createElement("canvas");
canvas.width = video.videoWidth; canvas.height = video.videoHeight;
canvas.getContext("2d").drawImage(video, 0, 0);
const data = canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height).data;
return [video.videoWidth, video.videoHeight, video.duration, new Set(data).size];
"""


class Visitor:
    """Somebody at the page."""

    def __init__(self, url: str, driver: webdriver.Chrome) -> None:
        """At the page, with nothing filled in and every field to be seen."""
        self.driver = driver
        driver.get(url)
        self.until("the models are listed", lambda: Select(self.field("model")).options)
        driver.find_element(By.TAG_NAME, "summary").click()

    def field(self, name: str) -> WebElement:
        """The form's field of this name."""
        return self.driver.find_element(By.NAME, name)

    def part(self, name: str) -> WebElement:
        """The element of this id."""
        return self.driver.find_element(By.ID, name)

    def task(self, name: str) -> None:
        """Choose a task."""
        self.driver.find_element(By.CSS_SELECTOR, f"[value={name}] + span").click()

    def fill(self, **values: object) -> None:
        """Write into fields."""
        for name, value in values.items():
            if name in ("image", "video"):
                self.field(name).send_keys(str(value))
                continue
            self.field(name).clear()
            self.field(name).send_keys(str(value))

    def until(self, what: str, holds: Callable[[], object], seconds: float = PATIENCE) -> None:
        """Wait until something is so. Raises TimeoutException, which says what."""
        WebDriverWait(self.driver, seconds).until(lambda _: holds(), f"not so: {what}")

    def video(self) -> tuple[int, int, float]:
        """Press the button, and give width, height and seconds of the video that is shown."""
        self.part("make").click()
        self.until("there is an answer", self.is_over, VIDEO)
        if self.part("error").is_displayed():
            raise SystemExit(f"the page says: {self.part('error').text}")
        player = "document.getElementById('player')"
        self.until(
            "it plays", lambda: self.driver.execute_script(f"return {player}.readyState > 1")
        )
        width, height, seconds, colours = self.driver.execute_script(PROBE)
        if colours < 8:
            raise SystemExit(f"the video shows {colours} shades: nothing was decoded")
        return width, height, seconds

    def is_over(self) -> bool:
        """Whether the page shows a video or an error."""
        return bool(self.part("made").is_displayed() or self.part("error").is_displayed())

    def curl(self, api: str) -> str:
        """The call that the page shows for an API."""
        self.driver.find_element(By.CSS_SELECTOR, f"[data-api={api}]").click()
        return str(self.part("curl").text)


def main() -> None:
    """Go through the page, and keep its picture."""
    arguments = _arguments()
    options = webdriver.ChromeOptions()
    for flag in ("headless=new", "no-sandbox", "disable-dev-shm-usage", "hide-scrollbars"):
        options.add_argument(f"--{flag}")
    options.binary_location = _program("chromium")
    service = webdriver.ChromeService(_program("chromedriver"))
    driver = webdriver.Chrome(options, service)
    driver.set_window_size(*SIZE)
    try:
        visit(Visitor(arguments.url, driver), arguments.picture)
    finally:
        driver.quit()


def visit(visitor: Visitor, picture: Path) -> None:
    """What a person would do, each step checked."""
    text_to_video(visitor)
    driver = visitor.driver
    driver.execute_script("document.getElementById('player').pause(); scrollTo(0, 0)")
    picture.parent.mkdir(parents=True, exist_ok=True)
    driver.save_screenshot(str(picture))
    say(f"picture: {picture}")
    with tempfile.TemporaryDirectory() as folder:
        from_files(visitor, Path(folder))
    a_wrong_size(visitor)
    stopping(visitor)
    logged = [line for line in driver.get_log("browser") if line["level"] == "SEVERE"]
    # The refusal is meant to be seen; anything else is a fault of the page.
    faults = [line["message"] for line in logged if " 400 " not in line["message"]]
    if faults:
        raise SystemExit(f"the browser complains: {faults}")
    say("the browser has nothing to complain about")


def text_to_video(visitor: Visitor) -> None:
    """The form, its calls, and a video of the size that was asked for."""
    visitor.fill(
        prompt="a red circle moves to the right", width=160, height=128, num_frames=17, seed=3
    )
    for api, words in {
        "openai": ("/v1/videos", "-F 'size=160x128'"),
        "modelslab": ("/api/v6/video/text2video", '"num_frames": 17'),
        "localai": ("/video", '"prompt": "a red circle'),
    }.items():
        shown = visitor.curl(api)
        missing = [word for word in words if word not in shown]
        if missing:
            raise SystemExit(f"the curl line of {api} lacks {missing}: {shown}")
    say("curl lines of three APIs are shown")
    visitor.curl("openai")
    width, height, seconds = visitor.video()
    if (width, height) != (160, 128):
        raise SystemExit(f"asked for 160x128, shown {width}x{height}")
    say(f"text to video: {width}x{height}, {seconds:.2f} s; {visitor.part('facts').text}")


def from_files(visitor: Visitor, folder: Path) -> None:
    """An image and a video of one's own."""
    image, video = folder / "start.png", folder / "source.mp4"
    _draw(image, "-frames:v", "1")
    _draw(video, "-t", "1", "-pix_fmt", "yuv420p")
    for task, field, file in (("img2video", "image", image), ("video2video", "video", video)):
        visitor.task(task)
        visitor.fill(**{field: file})
        width, height, _ = visitor.video()
        say(f"{task}: {width}x{height}; {visitor.part('facts').text}")


def _draw(file: Path, *options: str) -> None:
    ffmpeg = imageio_ffmpeg.get_ffmpeg_exe()
    source = ("-f", "lavfi", "-i", "testsrc=s=128x96:r=9")
    subprocess.run([ffmpeg, "-v", "error", *source, *options, str(file)], check=True)


def a_wrong_size(visitor: Visitor) -> None:
    """What is refused is said, with the field and the rule."""
    visitor.task("text2video")
    visitor.fill(num_inference_steps=999)
    visitor.part("make").click()
    visitor.until("the refusal is shown", lambda: visitor.part("error").is_displayed())
    said = visitor.part("error").text
    if "num_inference_steps" not in said or "999" not in said:
        raise SystemExit(f"the refusal does not name its field and value: {said}")
    say(f"refused: {said}")


def stopping(visitor: Visitor) -> None:
    """A video under way can be stopped."""
    visitor.fill(num_inference_steps=100, width=512, height=512)
    visitor.part("make").click()
    visitor.until("it can be stopped", lambda: visitor.part("stop").is_displayed())
    visitor.part("stop").click()
    visitor.until("it is stopped", lambda: visitor.part("empty").is_displayed())
    say("stopped")


def say(line: str) -> None:
    """One line to whoever watches."""
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


def _program(name: str) -> str:
    found = shutil.which(name)
    if not found:
        raise SystemExit(f"{name} is not here: apt-get install chromium chromium-driver")
    return found


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.browser", description=__doc__)
    parser.add_argument("--url", required=True, help="where the gateway is")
    parser.add_argument("--picture", type=Path, default=Path("out/page.png"))
    return parser.parse_args()


if __name__ == "__main__":
    main()
