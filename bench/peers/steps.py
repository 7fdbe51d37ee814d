"""One step of lightly from the weights and on the views of one of `steps`. See steps.sh.

    steps.py PROGRAM DATA_DIR [METHOD ...]
"""

import pathlib
import subprocess
import sys
import tempfile

import torch
from pretrain import Learner, Network, augmentation, begin, images, read

METHODS = ["byol", "simsiam", "barlow-twins", "vicreg"]
IMAGES, RATE = 256, 0.05
# Of what a step changes in a tensor, relative to it. Most is the rounding of the weights, of which a step changes a
# thousandth; a single ReLU that rounding puts on the other side of zero may be seen too.
LIMIT = 1e-2
FLAT = 1e-5


def compare(program, pixels, method):
    torch.manual_seed(1)
    view = augmentation()
    views = torch.stack([torch.stack([view(image) for image in pixels]) for _ in range(2)])
    with tempfile.TemporaryDirectory() as folder:
        folder = pathlib.Path(folder)
        (folder / "views").write_bytes(views.numpy().astype("<f4").tobytes())
        command = [program, method, str(RATE), "1", str(folder / "views"), str(folder)]
        ours = float(subprocess.run(command, check=True, capture_output=True, text=True).stdout)
        start, end = (read(folder / f"{name}.safetensors") for name in ("start", "end"))
    mean, deviation = start["network.backbone.mean"], start["network.backbone.deviation"]
    learner = Learner(Network(mean, deviation), method)
    tensors = begin(learner, start)
    optimizer = torch.optim.SGD([p for p in learner.parameters() if p.requires_grad], RATE)
    loss = learner(*views)
    loss.backward()
    optimizer.step()
    moved = {name: end[name] - start[name] for name in tensors}
    # A bias that what follows takes off again has no gradient but rounding.
    least = FLAT * max(change.norm() for change in moved.values())
    off = max(
        ((change - (tensors[name].detach() - start[name])).norm() / max(change.norm(), least)).item()
        for name, change in moved.items()
    )
    return abs(loss.item() - ours) / abs(ours), off, len(tensors)


def main():
    program, data, methods = sys.argv[1], sys.argv[2], sys.argv[3:] or METHODS
    pixels, _ = images(f"{data}/fashion-mnist", "train")
    worst = 0.0
    print("| method | loss, relative | largest of what a step changed, relative | tensors |\n|---|---|---|---|")
    for method in methods:
        loss, off, count = compare(program, pixels[:IMAGES], method)
        print(f"| {method} | {loss:.1e} | {off:.1e} | {count} |")
        worst = max(worst, off, loss)
    sys.exit(worst > LIMIT)


main()
