"""A headless Chromium that tests drive through its DevTools pipe: no driver to be installed."""

import base64
import json
import os
import shutil
import subprocess
import time

NAMES = ("chromium", "chromium-browser", "google-chrome", "chrome")
SMALL_TEXTS = """(() => {
  const small = [], walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  while (walker.nextNode()) {
    const text = walker.currentNode.data.trim(), parent = walker.currentNode.parentElement;
    if (!text || !parent.checkVisibility() || /SCRIPT|STYLE/.test(parent.tagName)) continue;
    const size = parseFloat(getComputedStyle(parent).fontSize);
    if (size < 11) small.push([text, size]);
  }
  return small;
})()"""
"""Expression of a page's visible texts below 11 px, with their sizes."""


def find_chromium():
    """Return the path of an installed Chromium, or None."""
    return next((path for path in map(shutil.which, NAMES) if path), None)


class Browser:
    """One tab. Everything that pages print or raise is kept in `complaints`."""

    def __init__(self, profile, timeout_s=60):
        here_in, self._out = os.pipe()
        self._in, here_out = os.pipe()
        self._timeout_s = timeout_s
        command = [find_chromium(), "--headless=new", "--no-sandbox", "--disable-gpu"]
        command += ["--enable-unsafe-swiftshader"]  # WebGL without a GPU, for pages of our own
        command += ["--no-first-run", "--disable-dev-shm-usage", "--hide-scrollbars"]
        command += [f"--user-data-dir={profile}", "--remote-debugging-pipe", "about:blank"]
        # Chromium reads commands from descriptor 3 and writes answers to descriptor 4.
        shell = f"exec 3<&{here_in} 4>&{here_out}; exec " + ' "$0" "$@"'
        self._process = subprocess.Popen(
            ["/bin/bash", "-c", shell, *command],
            pass_fds=(here_in, here_out),
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        os.close(here_in)
        os.close(here_out)
        self._buffer, self._number, self._session = b"", 0, None
        self.complaints = []
        tab = self.send("Target.createTarget", url="about:blank")["targetId"]
        attached = self.send("Target.attachToTarget", targetId=tab, flatten=True)
        self._session = attached["sessionId"]
        for domain in ("Page", "Runtime", "Log"):
            self.send(f"{domain}.enable")

    def send(self, method, **params):
        """Send a command and return its result."""
        self._number += 1
        message = {"id": self._number, "method": method, "params": params}
        if self._session:
            message["sessionId"] = self._session
        os.write(self._out, json.dumps(message).encode() + b"\0")
        while True:
            answer = self._receive()
            if answer.get("id") == self._number:
                assert "error" not in answer, answer
                return answer["result"]

    def open(self, path, width, height=900, dark=False):
        """Open a file, or an address, in a window of some size and wait until it is loaded."""
        self.complaints.clear()
        self.send(
            "Emulation.setDeviceMetricsOverride",
            width=width,
            height=height,
            deviceScaleFactor=1,
            mobile=width < 600,
        )
        scheme = {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}
        self.send("Emulation.setEmulatedMedia", features=[scheme])
        self.send("Page.navigate", url=path if "://" in str(path) else f"file://{path}")
        until = time.monotonic() + self._timeout_s
        while (
            self.run("document.readyState") != "complete"
            or self.run("location.href") == "about:blank"
        ):
            assert time.monotonic() < until, f"{path} is not loaded after {self._timeout_s} s"
            time.sleep(0.05)

    def run(self, expression):
        """Return the value of a JavaScript expression."""
        answer = self.send(
            "Runtime.evaluate", expression=expression, returnByValue=True, awaitPromise=True
        )
        assert "exceptionDetails" not in answer, answer["exceptionDetails"]
        return answer["result"].get("value")

    def becomes(self, expression, value, within_s=10):
        """Return whether an expression soon has a value: events take effect a moment later."""
        until = time.monotonic() + within_s
        while (found := self.run(expression)) != value and time.monotonic() < until:
            time.sleep(0.02)
        return found == value

    def press(self, key, code=0):
        """Press a key on the focused element."""
        for kind in ("keyDown", "keyUp"):
            self.send(
                "Input.dispatchKeyEvent", type=kind, key=key, code=key, windowsVirtualKeyCode=code
            )

    def mouse(self, kind, x, y, button="none"):
        """Dispatch a mouse event: `mouseMoved`, `mousePressed` or `mouseReleased`."""
        self.send(
            "Input.dispatchMouseEvent",
            type=kind,
            x=x,
            y=y,
            button=button,
            clickCount=1,
            buttons=1 if button == "left" else 0,
        )

    def touch(self, kind, *place):
        """Dispatch a touch event of one finger: `touchStart`, `touchMove` or `touchEnd`."""
        points = [{"x": place[0], "y": place[1]}] if place else []
        self.send("Input.dispatchTouchEvent", type=kind, touchPoints=points)

    def screenshot(self, whole=False):
        """Return a PNG of the window, or of the whole page."""
        answer = self.send("Page.captureScreenshot", captureBeyondViewport=whole)
        return base64.b64decode(answer["data"])

    def close(self):
        """End the browser."""
        self._process.terminate()
        self._process.wait(self._timeout_s)
        os.close(self._out)
        os.close(self._in)

    def _receive(self):
        while b"\0" not in self._buffer:
            part = os.read(self._in, 1 << 20)
            assert part, "Chromium ended"
            self._buffer += part
        text, _, self._buffer = self._buffer.partition(b"\0")
        message = json.loads(text)
        if message.get("method") in (
            "Runtime.exceptionThrown",
            "Log.entryAdded",
            "Runtime.consoleAPICalled",
        ):
            self.complaints.append(message["params"])
        return message
