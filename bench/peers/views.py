"""Times `metric speed --op views:RECIPE` against the same recipe in torchvision. See views.sh.

torchvision runs twice, on bytes that become floats at the end (its usual order) and on floats from the start (what ours
computes); a view is compared with the faster of both. Rounds alternate between the systems, and the best of each counts: other
work on the machine makes times longer, never shorter. Rates are by processor time, which other work disturbs least.
"""

import argparse
import json
import subprocess
import sys
import time

import torch
from torchvision.transforms import v2

JOBS = [
    ("simclr", 32, 3, 1000),
    ("simclr_cifar", 32, 3, 1000),
    ("moco_v2", 32, 3, 1000),
    ("small_grey", 28, 1, 1000),
    ("simclr", 224, 3, 60),
    ("moco_v2", 224, 3, 60),
]


def crop(side, low):
    return v2.RandomResizedCrop(side, scale=(low, 1.0), ratio=(3 / 4, 4 / 3), antialias=True)


def jitter(brightness, contrast, saturation, hue):
    return v2.RandomApply([v2.ColorJitter(brightness, contrast, saturation, hue)], p=0.8)


def blur(side):
    kernel = 2 * max(side // 20, 1) + 1
    return v2.RandomApply([v2.GaussianBlur(kernel, (0.1, 2.0))], p=0.5)


def recipe(name, side):
    flip, gray = v2.RandomHorizontalFlip(0.5), v2.RandomGrayscale(0.2)
    return {
        "simclr": lambda: [crop(side, 0.08), flip, jitter(0.8, 0.8, 0.8, 0.2), gray, blur(side)],
        "simclr_cifar": lambda: [crop(side, 0.08), flip, jitter(0.4, 0.4, 0.4, 0.1), gray],
        "moco_v2": lambda: [crop(side, 0.2), jitter(0.4, 0.4, 0.4, 0.1), gray, blur(side), flip],
        "small_grey": lambda: [crop(side, 0.2), flip, jitter(0.4, 0.4, 0, 0)],
    }[name]()


class Theirs:
    def __init__(self, name, side, channels, n):
        self.images = torch.randint(0, 256, (n, channels, side, side), dtype=torch.uint8)
        to_float = v2.ToDtype(torch.float32, scale=True)
        steps = recipe(name, side)
        self.ways = {"bytes": v2.Compose(steps + [to_float]), "floats": v2.Compose([to_float] + steps)}

    def time(self, way):
        transform = self.ways[way]
        for image in self.images[:20]:
            transform(image)
        start = time.process_time()
        for image in self.images:
            transform(image)
        return (time.process_time() - start) / len(self.images)


def ours(program, name, side, channels, n):
    command = [program, "speed", "--op", f"views:{name}", "--n", str(n), "--dim", str(side), "--param"]
    command += [f"channels={channels}", "--threads", "1", "--repeat", "5", "--json"]
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode:
        sys.exit(f"{program} failed: {done.stderr.strip()}")
    report = json.loads(done.stdout)
    return (report["cpu_ms"] or report["median_ms"]) / 1000 / n


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("program")
    parser.add_argument("--rounds", type=int, default=3)
    args = parser.parse_args()
    torch.set_num_threads(1)
    torch.manual_seed(1)
    print("| recipe | image | metric, views/s | torchvision, bytes | torchvision, floats | metric by the faster |")
    print("|---|---|---|---|---|---|")
    for name, side, channels, n in JOBS:
        theirs = Theirs(name, side, channels, n)
        best = {}
        for _ in range(args.rounds):
            found = {way: theirs.time(way) for way in theirs.ways}
            found["metric"] = ours(args.program, name, side, channels, n)
            best = {key: min(value, best.get(key, value)) for key, value in found.items()}
        rate = {key: 1 / value for key, value in best.items()}
        ratio = rate["metric"] / max(rate["bytes"], rate["floats"])
        cells = [f"{rate[key]:,.0f}" for key in ("metric", "bytes", "floats")]
        print(f"| {name} | {channels} x {side} x {side} |", " | ".join(cells), f"| {ratio:.1f} |", flush=True)


if __name__ == "__main__":
    main()
