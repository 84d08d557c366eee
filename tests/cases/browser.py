"""A headless Chromium, spoken to through a pipe in the words of its own protocol; nothing is installed for it."""

import base64
import json
import os
import select
import shutil
import subprocess
import sys
import time
from pathlib import Path

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
# A machine that is busy with other things is slow to begin.
_PATIENCE_SECONDS = 240
_END = b"\0"
# Few processes and nothing beside the page; a watchdog would take a busy machine for a broken one.
_OPTIONS = (
    "--headless=new",
    "--remote-debugging-pipe",
    "--no-sandbox",
    "--disable-gpu",
    "--in-process-gpu",
    "--disable-gpu-watchdog",
    "--disable-hang-monitor",
    "--enable-features=NetworkServiceInProcess2",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-default-apps",
    "--disable-extensions",
    "--disable-sync",
    "--disable-dev-shm-usage",
    "--disable-background-timer-throttling",
    "--disable-renderer-backgrounding",
    "--hide-scrollbars",
    "--mute-audio",
    "--no-first-run",
)
# The browser reads from 3 and writes to 4, which are none of ours until it is there.
_LAUNCH = """
import os, sys
ends = [os.dup(int(word)) for word in sys.argv[1:3]]
for end, place in zip(ends, (3, 4)):
    os.dup2(end, place)
    os.set_inheritable(place, True)
os.execv(sys.argv[3], sys.argv[3:])
"""


class Browser:
    """One page, with all that it says to its console and all that it asks for kept in lists.

    Attributes:
        complaints: What went wrong in the page: errors, warnings and whatever else it wrote to its console.
        requests: The addresses that it asked for.
    """

    def __init__(self, folder: Path) -> None:
        to_child, self._write = os.pipe()
        self._read, from_child = os.pipe()
        words = [CHROMIUM, *_OPTIONS, f"--user-data-dir={folder}", "about:blank"]
        self._process = subprocess.Popen(
            [sys.executable, "-S", "-c", _LAUNCH, str(to_child), str(from_child), *words],
            pass_fds=(to_child, from_child),
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        os.close(to_child)
        os.close(from_child)
        self._buffer, self._count, self._session = b"", 0, None
        self.complaints, self.requests, self._events = [], [], set()
        target = self.ask("Target.createTarget", url="about:blank")["targetId"]
        self._session = self.ask("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        for domain in ("Page", "Runtime", "Network", "Log"):
            self.ask(f"{domain}.enable")

    def close(self) -> None:
        """End the process that was begun here."""
        self._process.terminate()
        self._process.wait(_PATIENCE_SECONDS)
        os.close(self._write)
        os.close(self._read)

    def ask(self, method: str, **arguments) -> dict:
        """Ask for something and wait for its answer."""
        self._count += 1
        message = {"id": self._count, "method": method, "params": arguments}
        if self._session is not None:
            message["sessionId"] = self._session
        os.write(self._write, json.dumps(message).encode() + _END)
        while True:
            answer = self._next()
            if answer.get("id") == self._count:
                assert "error" not in answer, (method, answer["error"])
                return answer["result"]

    def open(self, path: Path, *, width: int = 1100, height: int = 900) -> None:
        """Open a page from a file in a window of a width, and wait until its script has run."""
        self.resize(width, height)
        self.complaints, self.requests = [], []
        self._events.clear()
        self.ask("Page.navigate", url=path.as_uri())
        while "Page.loadEventFired" not in self._events:
            self._next()

    def resize(self, width: int, height: int = 900) -> None:
        """Give the window another size."""
        self.ask("Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=1, mobile=False)

    def value(self, expression: str):
        """What an expression of JavaScript is in the page, promises awaited."""
        answer = self.ask("Runtime.evaluate", expression=expression, returnByValue=True, awaitPromise=True)
        assert "exceptionDetails" not in answer, answer["exceptionDetails"]
        return answer["result"].get("value")

    def press(self, key: str, code: int) -> None:
        """Press a key."""
        for kind in ("rawKeyDown", "keyUp"):
            self.ask("Input.dispatchKeyEvent", type=kind, key=key, code=key, windowsVirtualKeyCode=code)

    def screenshot(self) -> bytes:
        """The whole page as a PNG."""
        answer = self.ask("Page.captureScreenshot", format="png", captureBeyondViewport=True)
        return base64.b64decode(answer["data"])

    def printed(self) -> bytes:
        """The page on A4 paper, as a PDF."""
        answer = self.ask("Page.printToPDF", paperWidth=8.27, paperHeight=11.69, printBackground=False)
        return base64.b64decode(answer["data"])

    def _next(self) -> dict:
        """The next message, events being written down."""
        end = time.monotonic() + _PATIENCE_SECONDS
        while _END not in self._buffer:
            ready, _, _ = select.select([self._read], [], [], max(end - time.monotonic(), 0))
            assert ready, "Chromium has gone silent"
            chunk = os.read(self._read, 1 << 20)
            assert chunk, f"Chromium has ended: {self._process.wait(_PATIENCE_SECONDS)}"
            self._buffer += chunk
        raw, self._buffer = self._buffer.split(_END, 1)
        message = json.loads(raw)
        self._note(message)
        return message

    def _note(self, message: dict) -> None:
        method, told = message.get("method", ""), message.get("params", {})
        self._events.add(method)
        if method == "Runtime.consoleAPICalled":
            self.complaints.append([part.get("value", part.get("description")) for part in told["args"]])
        elif method == "Runtime.exceptionThrown":
            self.complaints.append(told["exceptionDetails"])
        elif method == "Log.entryAdded":
            self.complaints.append(told["entry"]["text"])
        elif method == "Network.requestWillBeSent":
            self.requests.append(told["request"]["url"])
