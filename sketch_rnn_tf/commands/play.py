"""Opens a page in the browser that draws with you, served from this computer to itself only.

  sketch-rnn-play --model pretrained:kanji

The page and the model are one file, index.html, as `sketch-rnn-export --format web` writes it; what
you draw stays in the browser. Ctrl-C ends it.
"""

from __future__ import annotations

import errno
import functools
import http.server
import sys
import webbrowser

from absl import flags as absl_flags
from absl import logging

from sketch_rnn_tf import cli, pretrained
from sketch_rnn_tf.errors import UserError

NAME = "sketch-rnn-play"
HOST = "127.0.0.1"
MODEL_FILE = "model.bin"


def define_flags(flags: absl_flags.FlagValues) -> None:
    """Defines the command's flags."""
    text = functools.partial(absl_flags.DEFINE_string, flag_values=flags)
    text("model", None, "run directory, pretrained:kanji, or an exported model.bin or its folder")
    text("checkpoint", "best", "weights: best, last or a step")
    absl_flags.DEFINE_enum(
        "web_weights", "float16", ["float32", "float16", "int8"], "precision of the weights",
        flag_values=flags,
    )  # fmt: skip
    absl_flags.DEFINE_integer(
        "port", 0, "port to serve on; 0 takes a free one",
        lower_bound=0, upper_bound=65535, flag_values=flags,
    )  # fmt: skip
    absl_flags.DEFINE_bool("open", True, "open the page in the browser", flag_values=flags)


def main(flags: absl_flags.FlagValues) -> None:
    """Runs the command."""
    cli.require(flags, "model")
    from sketch_rnn_tf.export.web import pages

    page = pages.drawing_page(_model_file(flags)).encode("utf-8")
    with _server(flags.port, page) as server:
        url = f"http://{HOST}:{server.server_address[1]}/"
        print(url, flush=True)
        logging.info("%s is served to this computer until Ctrl-C", flags.model)
        if flags.open and not webbrowser.open(url):
            logging.warning("no browser could be opened: open the address above yourself")
        try:
            server.serve_forever()
        except KeyboardInterrupt:
            logging.info("ended")


def _model_file(flags: absl_flags.FlagValues) -> bytes:
    """Returns the bytes of model.bin: of one that is there, or of a run that is exported now.

    The models in the box have one, so that they need no TensorFlow here.
    """
    path = pretrained.resolve(flags.model)
    chosen = flags["checkpoint"].present or flags["web_weights"].present
    if (path / MODEL_FILE).is_file() and not chosen:
        path = path / MODEL_FILE
    if path.suffix == ".bin" and path.is_file():
        from sketch_rnn_tf.export.web import model_file

        data = path.read_bytes()
        model_file.unpack(data, str(path))  # refuses what is not ours or damaged
        return data
    from sketch_rnn_tf import runs

    run = runs.open_run(flags.model)
    weights = run.weights(flags.checkpoint)
    cli.quiet_tensorflow()
    from sketch_rnn_tf.export.web import exporter

    return exporter.pack(run, runs.load_keras(weights), flags.web_weights)


def _server(port: int, page: bytes) -> http.server.ThreadingHTTPServer:
    """Returns a server of one page on this computer's own address."""

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            found = self.path.split("?")[0] in ("/", "/index.html")
            content = page if found else b"there is only one page: /\n"
            self.send_response(200 if found else 404)
            self.send_header("Content-Type", f"text/{'html' if found else 'plain'}; charset=utf-8")
            self.send_header("Content-Length", str(len(content)))
            self.send_header("Cache-Control", "no-store")
            self.end_headers()
            if self.command == "GET":
                self.wfile.write(content)

        do_HEAD = do_GET  # noqa: N815

        def log_message(self, *_) -> None:
            """Says nothing: what a browser asks for is no news."""

    try:
        return http.server.ThreadingHTTPServer((HOST, port), Handler)
    except OSError as error:
        if error.errno not in (errno.EADDRINUSE, errno.EACCES):
            raise
        reason = "in use" if error.errno == errno.EADDRINUSE else "not allowed"
        raise UserError(f"port {port} is {reason}; without --port a free one is taken") from None


run = cli.command(NAME, __doc__, define_flags, main)

if __name__ == "__main__":
    sys.exit(run())
