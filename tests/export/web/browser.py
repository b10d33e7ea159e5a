"""A real browser for the tests: headless Chromium, real pointer events."""

from __future__ import annotations

import json
import math
import pathlib
import shutil
import time

import pytest


class Browser:
    """Chromium with a page open.

    Attributes:
      driver: selenium's driver.
    """

    def __init__(self, downloads: pathlib.Path):
        webdriver = pytest.importorskip("selenium.webdriver", reason="needs selenium")
        program = next(filter(None, map(shutil.which, ("chromium", "google-chrome"))), None)
        chromedriver = shutil.which("chromedriver")
        if not (program and chromedriver):
            pytest.skip("needs chromium and chromedriver (on Debian chromium, chromium-driver)")
        options = webdriver.ChromeOptions()
        options.binary_location = program
        for argument in ("headless=new", "no-sandbox", "disable-gpu", "hide-scrollbars"):
            options.add_argument(f"--{argument}")
        options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
        service = webdriver.ChromeService(chromedriver)
        self.driver = webdriver.Chrome(options=options, service=service)
        self.downloads = downloads
        behavior = {"behavior": "allow", "downloadPath": str(downloads)}
        self.driver.execute_cdp_cmd("Browser.setDownloadBehavior", behavior)

    def screen(self, width: int, height: int, phone: bool = False, dark: bool = False) -> None:
        """Makes the page see a screen of this size."""
        size = {"width": width, "height": height, "deviceScaleFactor": 2 if phone else 1}
        command = self.driver.execute_cdp_cmd
        command("Emulation.setDeviceMetricsOverride", {**size, "mobile": phone})
        command("Emulation.setTouchEmulationEnabled", {"enabled": phone})
        scheme = {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}
        command("Emulation.setEmulatedMedia", {"features": [scheme]})

    def open(self, path: pathlib.Path | str, fragment: str = "") -> None:
        """Opens a file or an address, anew even where only the fragment differs."""
        address = path if isinstance(path, str) else path.resolve().as_uri()
        self.driver.get("about:blank")
        self.driver.get(address + fragment)

    def find(self, selector: str):
        return self.driver.find_element("css selector", selector)

    def all(self, selector: str) -> list:
        return self.driver.find_elements("css selector", selector)

    def click(self, selector: str) -> None:
        element = self.find(selector)
        self.run("arguments[0].scrollIntoView({block: 'center'})", element)
        element.click()

    def run(self, script: str, *arguments):
        return self.driver.execute_script(script, *arguments)

    def text(self, selector: str) -> str:
        return self.find(selector).text

    def draw(self, selector: str, points: list[tuple[float, float]], kind: str = "mouse") -> None:
        """Moves a pointer (mouse, touch or pen) over an element; points are parts of its side."""
        from selenium.webdriver.common.actions.action_builder import ActionBuilder
        from selenium.webdriver.common.actions.pointer_input import PointerInput

        element = self.find(selector)
        self.run("arguments[0].scrollIntoView({block: 'center'})", element)
        side = element.rect["width"]
        pointer = PointerInput(kind, kind)
        offsets = [(round((x - 0.5) * side), round((y - 0.5) * side)) for x, y in points]
        for i, (x, y) in enumerate(offsets):
            duration = 6 if i else 0
            pointer.create_pointer_move(duration=duration, x=x, y=y, origin=element)
            if not i:
                pointer.create_pointer_down(button=0)
        pointer.create_pointer_up(button=0)
        ActionBuilder(self.driver, mouse=pointer, duration=6).perform()

    def wait(self, condition, what: str, seconds: float = 20):
        """Waits until a function gives something that is true, and returns it."""
        until = time.monotonic() + seconds
        while time.monotonic() < until:
            found = condition()
            if found:
                return found
            time.sleep(0.05)
        raise AssertionError(f"waited {seconds} s for {what}; the page says {self.says()!r}")

    def says(self) -> str:
        """Returns what the page says now: how things stand, or what is wrong."""
        return self.run(
            "return ['status', 'problem'].map((id) => document.getElementById(id)?.textContent)"
            ".filter(Boolean).join(' ')"
        )

    def wait_for(self, words: str, seconds: float = 20) -> str:
        """Waits until the page says some words."""
        self.wait(lambda: words in self.says(), f"{words!r}", seconds)
        return self.says()

    def drop(self, selector: str, path: pathlib.Path) -> None:
        """Drags a file of the disk onto an element and drops it."""
        box = self.find(selector).rect
        place = {"x": box["x"] + box["width"] / 2, "y": box["y"] + box["height"] / 2}
        data = {"items": [], "files": [str(path)], "dragOperationsMask": 1}
        for kind in ("dragEnter", "dragOver", "drop"):
            event = {"type": kind, **place, "data": data}
            self.driver.execute_cdp_cmd("Input.dispatchDragEvent", event)
            if kind == "dragOver":
                self.wait(lambda: self.find("#drop").is_displayed(), "the page to take the file")

    def saved(self, selector: str, name: str) -> pathlib.Path:
        """Clicks a button and returns the file that the page saves."""
        path = self.downloads / name
        path.unlink(missing_ok=True)
        self.click(selector)
        self.wait(path.is_file, f"the file {name}")
        return path

    def sketches(self) -> list[dict]:
        """Returns what is on the page, by its own JSON."""
        path = self.saved(".save[value=json]", "sketch.json")
        return json.loads(path.read_text("utf-8"))["sketches"]

    def errors(self) -> list[str]:
        """Returns what has been logged as an error since the last call."""
        log = self.driver.get_log("browser")
        return [entry["message"] for entry in log if entry["level"] in ("SEVERE", "WARNING")]


def line(start, end, count: int = 10) -> list[tuple[float, float]]:
    """Returns points from start to end."""
    (x, y), (to_x, to_y) = start, end
    parts = [i / count for i in range(count + 1)]
    return [(x + (to_x - x) * part, y + (to_y - y) * part) for part in parts]


def ring(center, radius: float, count: int = 24) -> list[tuple[float, float]]:
    """Returns points around a center."""
    x, y = center
    angles = [2 * math.pi * i / count for i in range(count + 1)]
    return [(x + radius * math.cos(angle), y + radius * math.sin(angle)) for angle in angles]
