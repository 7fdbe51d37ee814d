"""Takes a ResNet-18 of torchvision with seeded random weights through the program and back.

    resnet.py PROGRAM

The weights go in as a .pth: a run of one step at a learning rate that moves no weight begins with them. They come out as
.safetensors, with the running statistics that the step has moved, into torchvision's network again. Prints the largest
difference of any weight, and of the features of the test images as torch and the program compute them, of length one.
"""

import pathlib
import subprocess
import sys
import tempfile

import numpy as np
import torch
import torchvision
from PIL import Image
from safetensors import safe_open
from safetensors.torch import load_file

SIDE = 96
MEAN, DEVIATION = [0.485, 0.456, 0.406], [0.229, 0.224, 0.225]


def network(classes=1000):
    torch.manual_seed(18)
    net = torchvision.models.resnet18(num_classes=classes)
    for module in net.modules():
        if isinstance(module, torch.nn.BatchNorm2d):
            for tensor, low, high in [
                (module.weight, 0.5, 1.5), (module.bias, -0.2, 0.2),
                (module.running_mean, -0.2, 0.2), (module.running_var, 0.5, 1.5),
            ]:
                torch.nn.init.uniform_(tensor, low, high)
    return net.eval()


def pictures(folder):
    random = np.random.default_rng(1)
    for name in ("a", "b"):
        (folder / name).mkdir(parents=True)
        for i in range(40):
            pixels = random.integers(0, 256, (SIDE // 8, SIDE // 8, 3), np.uint8)
            Image.fromarray(pixels.repeat(8, 0).repeat(8, 1)).save(folder / name / f"{i:02}.png")


@torch.no_grad()
def features(net, paths):
    images = torch.stack([torch.from_numpy(np.asarray(Image.open(path)).copy()) for path in paths])
    images = images.permute(0, 3, 1, 2).float() / 255
    mean, deviation = (torch.tensor(x).view(1, 3, 1, 1) for x in (MEAN, DEVIATION))
    net.fc = torch.nn.Identity()
    return torch.nn.functional.normalize(net((images - mean) / deviation), dim=1).numpy()


def main():
    program = sys.argv[1]
    with tempfile.TemporaryDirectory() as folder:
        folder = pathlib.Path(folder)
        pictures(folder / "data")
        given = network()
        torch.save(given.state_dict(), folder / "given.pth")
        run, back = folder / "run", folder / "back.safetensors"
        subprocess.run([
            program, "pretrain", "--data", folder / "data", "--size", str(SIDE), "--encoder", "resnet-18",
            "--weights", folder / "given.pth", "--method", "simclr", "--steps", "1", "--batch", "8",
            "--learning-rate", "1e-30", "--weight-decay", "0", "--out", run,
        ], check=True, stdout=subprocess.DEVNULL)
        subprocess.run([
            program, "embed", run, "--out", folder / "x.npy", "--weights-out", back,
        ], check=True, stdout=subprocess.DEVNULL)

        state = load_file(back)
        with safe_open(back, "pt") as file:
            print("metadata:", file.metadata())
        old = given.state_dict()
        learned = [name for name, _ in given.named_parameters() if not name.startswith("fc.")]
        moved = max((state[name] - old[name]).abs().max().item() for name in learned)
        print(f"largest difference of {len(learned)} parameters: {moved:.3g}")
        # The last layer has the program's 128 outputs.
        net = network(classes=len(state["fc.bias"]))
        print("left out by torch:", net.load_state_dict(state))
        lines = (folder / "x.labels.csv").read_text().splitlines()[1:]
        paths = [pathlib.Path(line.split(",")[0]) for line in lines]
        paths = [path if path.is_absolute() else folder / "data" / path for path in paths]
        want, got = features(net, paths), np.load(folder / "x.npy")
        assert got.shape == want.shape, (got.shape, want.shape)
        print(f"largest difference of {got.size} features: {np.abs(got - want).max():.3g} of {np.abs(want).max():.3g}")


main()
