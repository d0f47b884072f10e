"""The viewer on 300 patients with slides of 500 MB: first paint, tiles for several viewers at once, memory.

`python -m benchmarks.viewer FOLDER [--seconds 600]`. The slide is one file under 300 names: its tiles are those of a
painted slide, at every level, so that each has to be decoded as a real one. Needs Playwright's browser.
"""

import argparse
import http.client
import os
import random
import shutil
import signal
import statistics
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import quote, urlsplit

import numpy as np
import tifffile

from prognoscope.features.store import find_embeddings
from prognoscope.simulation.cohort import simulate_cohort
from prognoscope.simulation.slide_files import JPEG
from prognoscope.slides.readers import open_slide
from prognoscope.study.study import Study
from prognoscope.viewer.tiles import as_jpeg

PATIENTS, VIEWERS, CONNECTIONS = 300, 4, 6
SIDE_PX, LEVELS = 40_960, 6
SCREEN = (6, 4)  # tiles
PAUSE_S = (0.5, 2.0)  # in which somebody looks
SETTINGS = ["methods=[abmil]", "training.epochs=1", "splits.folds=2", "evaluation.draws=10", "evaluation.surgery=false"]


def make(folder: Path) -> Path:
    """The run and its slides; what is there is used again."""
    run, slides = folder / "cohort" / "run", folder / "slides"
    if not run.is_dir():
        study = simulate_cohort(folder / "cohort", patients=PATIENTS, features_only=True, bag_sizes=(20, 40))
        Study.load(study, SETTINGS).run()
    if not slides.is_dir():
        painted = simulate_cohort(folder / "painted", patients=20, slide_px=2048).parent / "slides"
        big = folder / "big.tiff"
        _write_big(big, next(iter(sorted(painted.iterdir()))))
        part = folder / "slides.part"
        part.mkdir()
        for slide in find_embeddings(folder / "cohort" / "features"):
            os.link(big, part / f"{slide}.tiff")
        part.rename(slides)
        shutil.rmtree(folder / "painted")
    return run


def _write_big(path: Path, of: Path) -> None:
    with open_slide(of) as slide:
        tiles = [as_jpeg(slide.read(x, y, 0, 256, 256)) for x in range(512, 1536, 256) for y in range(512, 1536, 256)]

    def repeated(n: int) -> Iterator[bytes]:
        return (tiles[(k * 7 + k // 160) % len(tiles)] for k in range(n))

    with tifffile.TiffWriter(path) as file:
        for level in range(LEVELS):
            side = SIDE_PX // 2**level
            file.write(
                repeated((side // 256) ** 2),
                shape=(side, side, 3),
                dtype="uint8",
                tile=(256, 256),
                photometric="rgb",
                compression="deflate",
                metadata=None,
                software=False,
                subfiletype=int(level > 0),
                resolution=(2e4 / 2**level,) * 2,
                resolutionunit="CENTIMETER",
            )
    with tifffile.TiffFile(path, mode="r+") as file:
        for page in file.pages:
            page.aspage().tags["Compression"].overwrite(JPEG)


def look(url: str, slides: list[str], until: float, seconds: list[float], seed: int) -> None:
    """One viewer: goes from slide to slide, zooms and pans, each time a screen of tiles over six connections."""
    rng, at = random.Random(seed), urlsplit(url)
    jobs: list[str] = []
    lock = threading.Lock()

    def fetch() -> None:
        connection = http.client.HTTPConnection(str(at.hostname), at.port, timeout=60)
        while True:
            with lock:
                if not jobs:
                    break
                path = jobs.pop()
            began = time.perf_counter()
            connection.request("GET", path)
            answer = connection.getresponse()
            answer.read()
            seconds.append(time.perf_counter() - began)
            assert answer.status == 200, path
        connection.close()

    while time.time() < until:
        slide = rng.choice(slides)
        for z in (10, *(rng.randint(11, 16) for _ in range(6))):
            most = max(1, SIDE_PX * 2**z // 2**16 // 256)
            left, top = (rng.randrange(max(1, most - side + 1)) for side in SCREEN)
            places = [(left + i, top + j) for i in range(SCREEN[0]) for j in range(SCREEN[1])]
            jobs += [f"/tiles/{z}/{x}/{y}.jpg?slide={quote(slide)}" for x, y in places if x < most and y < most]
            threads = [threading.Thread(target=fetch) for _ in range(CONNECTIONS)]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join()
            time.sleep(rng.uniform(*PAUSE_S))


def first_paint(url: str) -> tuple[float, float]:
    """Seconds to the first contentful paint, and until tiles of the first slide are there, in a fresh browser."""
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=shutil.which("chromium"), args=["--no-sandbox"])
        page = browser.new_page()
        began = time.perf_counter()
        page.goto(url, wait_until="commit")
        page.wait_for_selector("img.leaflet-tile-loaded", timeout=60_000)
        tiles = time.perf_counter() - began
        paint = page.evaluate("performance.getEntriesByName('first-contentful-paint')[0].startTime") / 1000
        browser.close()
    return paint, tiles


def memory_mb(pid: int) -> float:
    """Resident memory of a process."""
    told = Path(f"/proc/{pid}/status").read_text().split("VmRSS:")[1].split()[0]
    return int(told) / 1024


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--seconds", type=int, default=600)
    asked = parser.parse_args()
    run = make(asked.folder)
    slides = sorted(find_embeddings(asked.folder / "cohort" / "features"))
    command = ["prognoscope", "view", str(run), "--no-browser", "--slides", str(asked.folder / "slides")]
    with subprocess.Popen([sys.executable, "-m", *command], stdout=subprocess.PIPE, text=True) as server:
        assert server.stdout is not None
        began = time.perf_counter()
        url = next(word for word in server.stdout.readline().split() if word.startswith("http"))
        print(f"listening after {time.perf_counter() - began:.1f} s")
        cold = first_paint(url)
        print(f"at once: first paint {cold[0]:.2f} s, tiles of the first slide after {cold[1]:.2f} s")
        warm = first_paint(url)
        print(f"later: first paint {warm[0]:.2f} s, tiles of the first slide after {warm[1]:.2f} s")
        seconds: list[list[float]] = [[] for _ in range(VIEWERS)]
        start = time.time()
        until = start + asked.seconds
        viewers = [threading.Thread(target=look, args=(url, slides, until, seconds[k], k)) for k in range(VIEWERS)]
        for thread in viewers:
            thread.start()
        memory: list[tuple[float, float]] = []
        while time.time() < until:
            time.sleep(2)
            memory.append((time.time() - start, memory_mb(server.pid)))
        for thread in viewers:
            thread.join()
        handles = len(list(Path(f"/proc/{server.pid}/fd").iterdir()))
        server.send_signal(signal.SIGINT)
    times = sorted(each for one in seconds for each in one)
    half = memory[len(memory) // 4 :]
    slope = np.polyfit([each[0] for each in half], [each[1] for each in half], 1)[0] * 60
    print(f"{len(times)} tiles: median {statistics.median(times) * 1e3:.0f} ms, 95 % {_at(times, 0.95) * 1e3:.0f} ms")
    most = max(each[1] for each in memory)
    print(f"memory: {half[0][1]:.0f} MB after a quarter of it, {memory[-1][1]:.0f} at the end, {most:.0f} at most")
    print(f"{slope:+.1f} MB a minute since then; {handles} open files; load {os.getloadavg()[0]:.1f}")


def _at(ordered: list[float], share: float) -> float:
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))]


if __name__ == "__main__":
    main()
