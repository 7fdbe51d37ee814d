"""One run of lightly on the first images of Fashion-MNIST, as `metric pretrain` does it: same network, views, heads, optimizer,
schedule and number of steps. Prints the k-nearest-neighbour accuracies of its features on the test images.

    pretrain.py DATA_DIR METHOD SEED STEPS LIMIT [START]

START is a file of weights to begin with, named as ours; then the standard input holds the views: step by step two of every image,
as little-endian numbers of 4 bytes.
"""

import gzip
import itertools
import math
import sys
import time

import numpy as np
import torch
from lightly import loss as losses
from lightly.models.modules import heads
from lightly.models.utils import deactivate_requires_grad, update_momentum
from lightly.utils.scheduler import cosine_schedule
from safetensors.torch import load_file
from torch import nn
from torchvision.transforms import v2

BATCH, HIDDEN, OUTPUT, PROTOTYPES, QUEUE, MOMENTUM = 256, 512, 128, 256, 4096, 0.99
# VICReg's loss, whose weights add up to 51, does not bear the rate of the others.
RATE, RATES, DECAY = 0.06, {"vicreg": 0.02}, 5e-4


def images(path, kind):
    with gzip.open(f"{path}/{kind}-images-idx3-ubyte.gz") as file:
        pixels = np.frombuffer(file.read(), np.uint8, offset=16)
    with gzip.open(f"{path}/{kind}-labels-idx1-ubyte.gz") as file:
        labels = np.frombuffer(file.read(), np.uint8, offset=8)
    return torch.from_numpy(pixels.reshape(-1, 1, 28, 28).copy()), torch.from_numpy(labels.copy())


class Network(nn.Module):
    """Four 3x3 convolutions with batch norm, ReLU and, on maps of 4 pixels and more, max pooling."""

    def __init__(self, mean, deviation):
        super().__init__()
        self.mean, self.deviation = mean, deviation
        layers, channels, side = [], 1, 28
        for width in (64, 64, 64, 128):
            layers += [nn.Conv2d(channels, width, 3, padding=1, bias=False), nn.BatchNorm2d(width), nn.ReLU()]
            if side >= 4:
                layers.append(nn.MaxPool2d(2))
                side //= 2
            channels = width
        self.layers = nn.Sequential(*layers, nn.Flatten())
        self.size = channels * side * side

    def forward(self, x):
        return self.layers((x - self.mean) / self.deviation)


class Learner(nn.Module):
    def __init__(self, network, method):
        super().__init__()
        self.network, self.method = network, method
        size = network.size
        self.teacher = self.predictor = None
        if method == "simclr":
            self.projector = heads.SimCLRProjectionHead(size, HIDDEN, OUTPUT)
            self.loss = losses.NTXentLoss(temperature=0.1)
        elif method == "moco-v2":
            self.projector = heads.MoCoProjectionHead(size, HIDDEN, OUTPUT)
            self.loss = losses.NTXentLoss(temperature=0.2, memory_bank_size=(QUEUE, OUTPUT))
        elif method == "byol":
            self.projector = heads.BYOLProjectionHead(size, HIDDEN, OUTPUT)
            self.predictor = heads.BYOLPredictionHead(OUTPUT, HIDDEN, OUTPUT)
            self.loss = losses.NegativeCosineSimilarity()
        elif method == "simsiam":
            self.projector = heads.SimSiamProjectionHead(size, HIDDEN, OUTPUT)
            self.predictor = heads.SimSiamPredictionHead(OUTPUT, HIDDEN, OUTPUT)
            self.loss = losses.NegativeCosineSimilarity()
        elif method == "barlow-twins":
            self.projector = heads.BarlowTwinsProjectionHead(size, HIDDEN, OUTPUT)
            self.loss = losses.BarlowTwinsLoss(lambda_param=0.0051)
        elif method == "vicreg":
            self.projector = heads.VICRegProjectionHead(size, HIDDEN, OUTPUT)
            self.loss = losses.VICRegLoss()
        elif method == "swav":
            self.projector = heads.SwaVProjectionHead(size, HIDDEN, OUTPUT)
            self.prototypes = heads.SwaVPrototypes(OUTPUT, PROTOTYPES)
            self.loss = losses.SwaVLoss(temperature=0.1)
        else:
            sys.exit(f"no method is called {method}")
        if method in ("moco-v2", "byol"):
            self.teacher = nn.Sequential(Network(network.mean, network.deviation), type(self.projector)(size, HIDDEN, OUTPUT))
            self.teacher.load_state_dict(nn.Sequential(network, self.projector).state_dict())
            deactivate_requires_grad(self.teacher)

    def project(self, x):
        return self.projector(self.network(x))

    def forward(self, a, b):
        if self.method == "moco-v2":
            query = self.project(a)
            order = torch.randperm(len(b))
            # Batch norm of keys sees other rows than that of queries: eight parts of a shuffled batch.
            with torch.no_grad():
                keys = torch.cat([self.teacher(part) for part in b[order].chunk(8)])[order.argsort()]
            return self.loss(query, keys)
        if self.method == "byol":
            with torch.no_grad():
                targets = self.teacher(a), self.teacher(b)
            p = self.predictor(self.project(a)), self.predictor(self.project(b))
            # 2 - 2 cos, both ways.
            return 4 + 2 * (self.loss(p[0], targets[1]) + self.loss(p[1], targets[0]))
        z = self.project(a), self.project(b)
        if self.method == "simsiam":
            p = self.predictor(z[0]), self.predictor(z[1])
            return 0.5 * (self.loss(p[0], z[1].detach()) + self.loss(p[1], z[0].detach()))
        if self.method == "swav":
            scores = [self.prototypes(nn.functional.normalize(z, dim=1)) for z in z]
            return self.loss(scores, [])
        return self.loss(*z)

    def follow(self, step, steps):
        if self.teacher is not None:
            rises = self.method == "byol"
            momentum = cosine_schedule(step, steps, MOMENTUM, 1) if rises else MOMENTUM
            update_momentum(self.network, self.teacher[0], momentum)
            update_momentum(self.projector, self.teacher[1], momentum)


def layers_of(module, prefix):
    """Our names and torch's tensors of linear layers, convolutions and batch norms that alternate."""
    number = -1
    for layer in module.layers:
        if isinstance(layer, (nn.Linear, nn.Conv2d)):
            number += 1
            name = "conv" if isinstance(layer, nn.Conv2d) else "linear"
            yield f"{prefix}.{number}.{name}.weight", layer.weight
            if layer.bias is not None:
                yield f"{prefix}.{number}.{name}.bias", layer.bias
        elif isinstance(layer, (nn.BatchNorm1d, nn.BatchNorm2d)) and layer.affine:
            yield f"{prefix}.{number}.norm.gamma", layer.weight
            yield f"{prefix}.{number}.norm.beta", layer.bias


def tensors_of(learner):
    yield from layers_of(learner.network, "network.backbone.body.Conv.blocks")
    yield from layers_of(learner.projector, "network.projector.layers")
    if learner.predictor is not None:
        yield from layers_of(learner.predictor, "predictor.layers")
    if learner.method == "swav":
        yield "method.SwAv.loss.prototypes", learner.prototypes.heads[0].weight


def read(path):
    """Tensors as torch has them: a linear layer's weights by output."""
    return {name: x.T if name.endswith("linear.weight") else x for name, x in load_file(path).items()}


@torch.no_grad()
def begin(learner, start):
    """Gives a learner our weights, and says which of its tensors they are."""
    tensors = dict(tensors_of(learner))
    if learner.method == "simclr":
        # lightly's head has batch norm after its last layer too, which begins as one that changes no scale.
        tensors = {name: tensor for name, tensor in tensors.items() if name in start or ".1.norm." not in name}
    for name, tensor in tensors.items():
        tensor.copy_(start[name])
    if learner.teacher is not None:
        learner.teacher.load_state_dict(nn.Sequential(learner.network, learner.projector).state_dict())
    return tensors


def own_batches(pixels):
    """Two views of the images of a batch, epoch after epoch."""
    view = augmentation()
    while True:
        for chosen in torch.randperm(len(pixels))[: len(pixels) // BATCH * BATCH].split(BATCH):
            yield [torch.stack([view(image) for image in pixels[chosen]]) for _ in range(2)]


def given_batches(file):
    while True:
        numbers = np.frombuffer(file.read(2 * BATCH * 28 * 28 * 4), "<f4").copy()
        yield torch.from_numpy(numbers).reshape(2, BATCH, 1, 28, 28)


def augmentation():
    """The program's views for small grey images."""
    return v2.Compose([
        v2.ToDtype(torch.float32, scale=True),
        v2.RandomResizedCrop(28, scale=(0.2, 1.0), antialias=True),
        v2.RandomHorizontalFlip(),
        v2.RandomApply([v2.ColorJitter(0.4, 0.4)], 0.8),
    ])


@torch.no_grad()
def accuracies(network, gallery, of_gallery, queries, labels):
    def features(pixels):
        network.eval()
        rows = torch.cat([network(part.float() / 255) for part in pixels.split(500)])
        return nn.functional.normalize(rows, dim=1)

    rows, near = features(gallery), []
    for part in features(queries).split(500):
        near.append((part @ rows.T).topk(20).indices)
    classes = of_gallery[torch.cat(near)].long()
    shares = []
    for k in (1, 5, 10, 20):
        votes = nn.functional.one_hot(classes[:, :k], 10).sum(1).float()
        # Of classes with equal votes that of the nearest.
        place = torch.arange(k, 0, -1).float() / (k + 1)
        nearest = torch.zeros_like(votes).scatter_reduce(1, classes[:, :k], place.expand(len(classes), k), "amax")
        shares.append(((votes + nearest).argmax(1) == labels).float().mean().item())
    return shares


def main():
    data, method, seed, steps, limit = sys.argv[1], sys.argv[2], *map(int, sys.argv[3:6])
    torch.set_num_threads(1)
    torch.manual_seed(seed)
    pixels, labels = images(f"{data}/fashion-mnist", "train")
    pixels, labels = pixels[:limit], labels[:limit]
    if len(sys.argv) > 6:
        batches = given_batches(sys.stdin.buffer)
        first = next(batches)  # the start is written before the views
        start = read(sys.argv[6])
        learner = Learner(Network(start["network.backbone.mean"], start["network.backbone.deviation"]), method)
        begin(learner, start)
        batches = itertools.chain([first], batches)
    else:
        scaled = pixels.float() / 255
        learner, batches = Learner(Network(scaled.mean(), scaled.std()), method), own_batches(pixels)
    learned = dict(p for p in learner.named_parameters() if p[1].requires_grad)
    # SimSiam's prediction head keeps the peak rate, as in its paper.
    steady = [p for name, p in learned.items() if method == "simsiam" and name.startswith("predictor.")]
    others = [p for p in learned.values() if all(p is not q for q in steady)]
    groups = [{"params": others}] + ([{"params": steady}] if steady else [])
    rate = RATES.get(method, RATE)
    optimizer = torch.optim.SGD(groups, rate, 0.9, weight_decay=DECAY)
    warm_up = math.ceil(0.05 * steps)
    started = time.time()
    learner.train()
    for step, (a, b) in zip(range(steps), batches):
        done = (step - warm_up) / max(steps - warm_up, 1)
        share = (step + 1) / warm_up if step < warm_up else 0.5 * (1 + math.cos(math.pi * done))
        optimizer.param_groups[0]["lr"] = rate * share
        if method == "swav":
            with torch.no_grad():
                for head in learner.prototypes.heads:
                    head.weight.copy_(nn.functional.normalize(head.weight, dim=1))
        optimizer.zero_grad()
        loss = learner(a, b)
        loss.backward()
        optimizer.step()
        learner.follow(step, steps)
    seconds = time.time() - started
    test, of_test = images(f"{data}/fashion-mnist", "t10k")
    shares = accuracies(learner.network, pixels, labels, test, of_test)
    print(",".join(f"{share:.4f}" for share in shares) + f",{seconds:.1f}")


if __name__ == "__main__":
    main()
