"""What an explanation costs: time against one plain forward pass, start of the app, memory after many explanations.

    python tests/benchmarks/explain_cost.py

All on the CPU with the shipped weights and one 700x460 patch. Ratios are of medians over alternating runs.
"""

import os
import subprocess
import sys
import time
import urllib.request
from pathlib import Path

import numpy as np
import torch

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))

from dala import Explainer, cam
from dala.images import reading
from dala.publishing import samples


def ratio(explainer: Explainer, rounds: int = 15) -> tuple[float, float, float]:
    """Medians in seconds of a plain forward pass and of forward pass and map; of a whole `explain` too."""
    picture = reading.read(samples.find()[0].file)
    x = explainer.preprocess(picture).contiguous(memory_format=torch.channels_last)

    def plain() -> None:
        with torch.no_grad():
            explainer.model(x)

    def mapped() -> None:
        done = explainer.engine.run(x, ("attention",), lambda logits: [("malignant", lambda v: v[:, 1])])
        cam.METHODS["grad_cam"](done.activations["attention"], done.gradients["attention"], [])

    times: list[list[float]] = []
    for _ in range(rounds + 2):
        row = []
        for job in (plain, mapped, lambda: explainer.explain(picture)):
            began = time.perf_counter()
            job()
            row.append(time.perf_counter() - began)
        times.append(row)
    return tuple(np.median(times[2:], axis=0))


def resident_mb() -> float:
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 1e6


def memory(explainer: Explainer) -> tuple[float, float]:
    """Resident memory in MB after 10 and after 100 explanations."""
    file, readings = samples.find()[0].file, {}
    for count in range(1, 101):
        explainer.explain(file)
        if count in (10, 100):
            readings[count] = resident_mb()
    return readings[10], readings[100]


def startup() -> float:
    """Seconds from starting `app.py` to the first page served."""
    port = "7899"
    began = time.perf_counter()
    app = subprocess.Popen(
        [sys.executable, "app.py"], cwd=ROOT, env={**os.environ, "GRADIO_SERVER_PORT": port}, stdout=subprocess.DEVNULL
    )
    try:
        while True:
            try:
                urllib.request.urlopen(f"http://127.0.0.1:{port}").read()
                return time.perf_counter() - began
            except OSError:
                time.sleep(0.05)
    finally:
        app.terminate()
        app.wait()


def main() -> None:
    print(f"start of the app until its page is served: {startup():.1f} s")
    explainer = Explainer.load(device="cpu")
    explainer.model.to(memory_format=torch.channels_last)
    plain, mapped, whole = ratio(explainer)
    print(f"plain forward pass {1000 * plain:.0f} ms; with Grad-CAM {mapped / plain:.3f} times; "
          f"explain() from picture to Explanation {whole / plain:.3f} times")  # fmt: skip
    ten, hundred = memory(explainer)
    print(f"resident memory after 10 explanations {ten:.0f} MB, after 100 {hundred:.0f} MB ({hundred / ten - 1:+.1%})")


if __name__ == "__main__":
    main()
