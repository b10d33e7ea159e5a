"""Times a point of the JavaScript runtime in Node and in headless Chromium.

    python benchmarks/in_browser.py [--units 256,352,512]

The models are random decoders with 20 components; a time is the median of 1,000 points after 200.
Needs node, chromium, chromedriver and selenium.
"""

from __future__ import annotations

import http.server
import pathlib
import subprocess
import tempfile
import threading

from absl import app, flags

from sketch_rnn_tf import cli, config, runs

_UNITS = flags.DEFINE_list("units", ["256", "352", "512"], "sizes of the decoder")

TIMING = """
export function median({ network, facts }) {
  const { decoder } = network;
  const times = [];
  let state = decoder.begin(null);
  for (let i = 0; i < 1200; i++) {
    const begin = performance.now();
    for (let k = 0; k < 5; k++) {
      state = decoder.read(facts.start_token, state);
      decoder.raw(state);
    }
    times.push((performance.now() - begin) / 5);
  }
  return times.slice(200).sort((a, b) => a - b)[500].toFixed(2);
}
"""
NODE = """
import { readFileSync } from "node:fs";
import { load } from "./sketch_rnn.js";
import { median } from "./timing.js";
console.log(median(await load(readFileSync("model.bin"))));
"""
PAGE = """<!doctype html><script type="module">
import { load } from "./sketch_rnn.js";
import { median } from "./timing.js";
document.title = median(await load("model.bin"));
</script>"""


def main(_) -> None:
    """Prints a row for each size."""
    cli.quiet_tensorflow()
    print("| units | Node, ms per point | Chromium, ms per point |\n|---|---|---|")
    for units in map(int, _UNITS.value):
        with tempfile.TemporaryDirectory() as folder:
            web = _export(pathlib.Path(folder), units)
            print(f"| {units} | {_in_node(web)} | {_in_chromium(web)} |", flush=True)


def _export(folder: pathlib.Path, units: int) -> pathlib.Path:
    from sketch_rnn_tf.export.web import exporter
    from sketch_rnn_tf.model import build

    model = config.ModelConfig(conditional=False, decoder=config.DecoderConfig(units=units))
    configuration = config.RunConfig(scale_factor=1.0, max_length=50, model=model)
    run = runs.Run(folder, configuration)
    web = exporter.write(run, build.build_model(configuration), folder, precision="float32")
    files = {"timing.js": TIMING, "node.mjs": NODE, "page.html": PAGE}
    for name, text in files.items():
        (web / name).write_text(text, "utf-8")
    (web / "package.json").write_text('{"type": "module"}', "utf-8")
    return web


def _in_node(web: pathlib.Path) -> str:
    done = subprocess.run(["node", "node.mjs"], cwd=web, capture_output=True, text=True, check=True)
    return done.stdout.strip()


def _in_chromium(web: pathlib.Path) -> str:
    from selenium import webdriver
    from selenium.webdriver.support.ui import WebDriverWait

    options = webdriver.ChromeOptions()
    options.binary_location = "/usr/bin/chromium"
    for argument in ("headless=new", "no-sandbox"):
        options.add_argument(f"--{argument}")
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), _quiet(web)) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        driver = webdriver.Chrome(options, webdriver.ChromeService("/usr/bin/chromedriver"))
        try:
            driver.get(f"http://127.0.0.1:{server.server_address[1]}/page.html")
            WebDriverWait(driver, 120).until(lambda page: page.title.replace(".", "").isdigit())
            return driver.title
        finally:
            driver.quit()
            server.shutdown()


def _quiet(web: pathlib.Path):
    """Returns a handler that serves a folder and says nothing."""

    class Handler(http.server.SimpleHTTPRequestHandler):
        def __init__(self, *arguments):
            super().__init__(*arguments, directory=str(web))

        def log_message(self, *_):
            pass

    return Handler


if __name__ == "__main__":
    app.run(main)
