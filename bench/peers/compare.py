"""Runs `metric speed` and the other systems in turn and prints a table. See run.sh.

Every round times ours, then each of the others, so that a machine whose speed drifts treats all alike. Processor time on
one thread decides; the wall time on two threads is shown beside it. A system that is more than twice slower than the fastest
in the first round, or takes longer than TOO_LONG, is timed once.
"""

import argparse
import json
import os
import select
import statistics
import subprocess
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
TOO_LONG = 10.0  # seconds after which a system is not asked again
PATIENCE = 30.0  # seconds after which an answer is no longer waited for
# faiss brings an OpenBLAS that does not know newer processors: it is given the best of these kernels. NumPy's finds its own.
CORES = [None, "SkylakeX", "Haswell", "Zen"]
DIMS = [64, 128, 512, 768]
# pytorch-metric-learning's NT-Xent holds positive pairs x negative pairs: 512 rows are the most that fit in 12 GB.
LOSSES = [
    ("sup_con", 8192, {}),
    ("nt_xent", 8192, {}),
    ("nt_xent", 512, {}),
    ("triplet_margin", 512, {}),
    ("triplet_margin", 1024, {"mining": "semi_hard"}),
    ("lifted_structure", 256, {}),
    ("multi_similarity", 1024, {}),
    ("circle", 1024, {}),
    ("contrastive", 1024, {}),
    ("arc_face", 256, {"num_classes": "100000"}),
    ("proxy_anchor", 256, {"num_classes": "100000"}),
    ("smooth_ap", 256, {}),
]
MINERS = [
    "semi_hard",
    "triplet_margin_semi_hard",
    "distance_weighted",
    "batch_hard",
    "multi_similarity",
    "batch_easy_hard",
    "pair_margin",
    "hdc",
    "uniform_histogram",
    "angular",
]


def cases(quick):
    """The comparisons: (op of `metric speed`, options)."""
    dims = [128] if quick else DIMS
    for dim in dims:
        for name in ["squared_euclidean", "euclidean", "cosine", "mahalanobis", "manhattan", "chebyshev"]:
            yield f"pairwise:{name}", {"n": 4096, "dim": dim}
        for p in ["3", "1.5", "2.7"]:
            yield "pairwise:minkowski", {"n": 4096, "dim": dim, "params": {"p": p}}
    yield "knn:euclidean", {"n": 100_000, "dim": 128, "k": 10, "queries": 1000}
    yield "index:euclidean", {"n": 100_000, "dim": 128, "k": 10, "queries": 1000}
    yield "knn:euclidean", {"n": 100_000, "dim": 128, "k": 10, "queries": 1}
    yield "index:euclidean", {"n": 100_000, "dim": 128, "k": 10, "queries": 1}
    yield "knn:euclidean", {"n": 60_000, "dim": 64, "k": 10, "queries": 0}
    for variant in ["lloyd", "hamerly"]:
        yield "kmeans", {"n": 100_000, "dim": 128, "k": 256, "params": {"iterations": "10", "variant": variant}}
    yield "kmeans++", {"n": 100_000, "dim": 128, "k": 256}
    for model, batch in [("conv4", 128), ("resnet18", 64), ("mlp", 128)]:
        yield f"train_step:{model}", {"n": batch, "dim": 1}
    for name, n, params in LOSSES:
        yield f"loss:{name}", {"n": n, "dim": 128, "params": params}
    for name in MINERS:
        yield f"miner:{name}", {"n": 512, "dim": 128}


def chosen_cases(ops, quick):
    """The comparisons asked for; a loss without one of its own is compared on 256 rows."""
    known = [{"op": op, **rest} for op, rest in cases(quick)]
    if not ops:
        return known
    own = {case["op"] for case in known}
    others = [op for op in ops if op.startswith("loss:") and op not in own]
    return [case for case in known if case["op"] in ops] + [{"op": op, "n": 256, "dim": 128} for op in others]


def size(case):
    text = f"{case['n']:,} x {case['dim']}"
    if case["op"].startswith("train_step"):
        text = f"batch {case['n']}"
    if case["op"].startswith("pairwise"):
        text = f"{case['n']:,} x {case['n']:,} x {case['dim']}"
    if case["op"].startswith(("knn", "index")):
        queries = case["queries"]
        text += f", {queries:,} queries" if queries else ", itself"
    if "k" in case:
        text += f", k = {case['k']}"
    return text + "".join(f", {key} = {value}" for key, value in case.get("params", {}).items())


class Slow(Exception):
    """No answer in time."""


class Server:
    """A process of peers.py."""

    def __init__(self, libraries, threads, core=None):
        self.libraries, self.threads, self.core = libraries, threads, core
        self.process, self.pending = None, b""

    def start(self):
        environment = {key: value for key, value in os.environ.items() if not key.startswith("OPENBLAS_")}
        for variable in ["OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"]:
            environment[variable] = str(self.threads)
        if self.core:
            environment["OPENBLAS_CORETYPE"] = self.core
        command = [sys.executable, os.path.join(HERE, "peers.py"), self.libraries]
        self.process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=environment)

    def stop(self):
        if self.process:
            self.process.kill()
            self.process.wait()
        self.process, self.pending = None, b""

    def ask(self, request, patience=PATIENCE):
        if self.process is None:
            self.start()
            # Imports and the inputs take a while.
            self.ask({**request, "list": True}, 120.0)
        self.process.stdin.write(json.dumps(request).encode() + b"\n")
        self.process.stdin.flush()
        while b"\n" not in self.pending:
            ready, _, _ = select.select([self.process.stdout], [], [], patience)
            part = os.read(self.process.stdout.fileno(), 1 << 16) if ready else b""
            if not part:
                died = self.process.poll()
                self.stop()
                raise Slow(f"ended with {died}" if ready else f"> {patience:.0f} s")
            self.pending += part
        line, self.pending = self.pending.split(b"\n", 1)
        return json.loads(line)


class Servers:
    """The processes for a number of threads."""

    def __init__(self, threads):
        self.all = [(None, Server("others", threads))]
        self.all += [(core or "any core", Server("faiss", threads, core)) for core in CORES]

    def contenders(self, case):
        """Every system with the operation: its name, and a function that times it once."""
        # Each of the others is its own process, and has no losses or miners.
        for core, server in self.all[:1] if case["op"].startswith(("loss:", "miner:")) else self.all:
            for name in server.ask({**case, "list": True}):
                shown = f"{name} ({core})" if core else name
                yield shown, lambda server=server, name=name: server.ask({**case, "only": name})[name]

    def stop(self):
        for _, server in self.all:
            server.stop()


def ours(program, case, threads):
    """The median of three repetitions in a process of its own, since the others stay warm from round to round.

    None if the program does not have the operation.
    """
    command = [program, "speed", "--json", "--repeat", "3", "--op", case["op"], "--threads", str(threads)]
    for key in ["n", "dim", "k", "queries"]:
        if key in case:
            command += [f"--{key}", str(case[key])]
    for key, value in case.get("params", {}).items():
        command += ["--param", f"{key}={value}"]
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode:
        print(done.stderr.strip()[:200], file=sys.stderr)
        return None
    report = json.loads(done.stdout)
    return {"wall_ms": report["median_ms"], "cpu_ms": report["cpu_ms"], "extra_mb": report["extra_rss_mb"]}


def extra_mb_of(system, case):
    """Memory beyond its inputs that a loss of another system takes, in a process of its own."""
    command = [sys.executable, os.path.join(HERE, "losses.py"), json.dumps(case), system]
    done = subprocess.run(command, capture_output=True, text=True)
    return float(done.stdout) if done.returncode == 0 else None


def attempt(time_once):
    """The times, or why there are none."""
    try:
        times = time_once()
    except Slow as slow:
        return {"error": str(slow)}
    return times if times is not None else {"error": "not built"}


def rounds(contenders, count, key):
    """Times all in turn; {name: [ms, ...]} and {name: reason} of those without a time."""
    found, missing = {name: [] for name, _ in contenders}, {}
    kept = contenders
    for turn in range(count):
        for name, time_once in kept:
            times = attempt(time_once)
            if "error" in times:
                missing[name] = times["error"]
                print(f"  {name}: {times['error']}", file=sys.stderr)
            else:
                found[name].append(times[key])
        if turn == 0:
            first = {name: values[0] for name, values in found.items() if values and name != "ours"}
            limit = min(2 * min(first.values(), default=0.0), TOO_LONG * 1e3)
            fast = {name for name, value in first.items() if value <= limit}
            # faiss once, with the core that suits it.
            cores = [name for name in fast if name.startswith("faiss (")]
            fast -= set(sorted(cores, key=first.get)[1:])
            if found["ours"] and found["ours"][0] <= TOO_LONG * 1e3:
                fast.add("ours")
            kept = [pair for pair in contenders if pair[0] in fast]
        else:
            kept = [pair for pair in kept if pair[0] not in missing]
    return {name: values for name, values in found.items() if values}, missing


def milliseconds(values):
    value = statistics.median(values)
    return f"{value:,.{0 if value >= 100 else 1 if value >= 10 else 3}f}"


def best_of(found):
    peers = {name: statistics.median(values) for name, values in found.items() if name != "ours"}
    return min(peers.items(), key=lambda pair: pair[1], default=None)


def ratio(found):
    best = best_of(found)
    if best is None or "ours" not in found:
        return "–"
    return f"{best[1] / statistics.median(found['ours']):.2f}"


def memory(program, case, best):
    """Three more columns: extra MB of ours and of the best peer on one thread, and their ratio."""
    own = (ours(program, case, 1) or {}).get("extra_mb")
    peer = extra_mb_of(best[0], case) if best else None
    show = lambda mb: "–" if mb is None else f"{mb:,.1f}"
    return f" {show(own)} | {show(peer)} | {peer / own:.2f} |" if own and peer else f" {show(own)} | {show(peer)} | – |"


def compare(program, chosen, count, one, two, with_memory=False):
    if not chosen:
        return
    more = " ours, extra MB | best peer, extra MB | peer / ours |" if with_memory else ""
    print(
        "| op | size | ours, cpu ms | best peer | peer / ours | others, cpu ms | ours, wall ms on 2 threads "
        f"| best peer there | peer / ours there |{more}"
    )
    print("|---|---|---|---|---|---|---|---|---|" + ("---|---|---|" if with_memory else ""), flush=True)
    hopeless = {}
    for case in chosen:
        kind = (case["op"], json.dumps(case.get("params")), case.get("queries"), case["n"])
        print(f"{case['op']}, {size(case)}", file=sys.stderr)

        def field(servers, threads):
            return [("ours", lambda: ours(program, case, threads))] + [
                pair for pair in servers.contenders(case) if pair[0] not in hopeless.get(kind, ())
            ]

        found, missing = rounds(field(one, 1), count, "cpu_ms")
        slow = {name for name, values in found.items() if values[0] > TOO_LONG * 1e3}
        # What is hopeless here is not tried in more dimensions.
        hopeless.setdefault(kind, set()).update(slow, (name for name in missing if name != "ours"))
        best = best_of(found)
        near = {name for name, values in found.items() if len(values) > 1} | {"ours"}
        near |= {best[0]} if best and with_memory else set()
        both, _ = rounds([pair for pair in field(two, 2) if pair[0] in near], min(count, 3), "wall_ms")
        there = best_of(both)
        show = lambda found, pair: f"{pair[0]}, {milliseconds([pair[1]])}" if pair else "–"
        others = [
            f"{name} {milliseconds(values)}" + (" (once)" if len(values) == 1 < count else "")
            for name, values in sorted(found.items(), key=lambda pair: statistics.median(pair[1]))
            if name != "ours" and best and name != best[0]
        ] + [f"{name}: {reason}" for name, reason in missing.items() if name != "ours"]
        own = lambda found: milliseconds(found["ours"]) if "ours" in found else "not built"
        print(
            f"| {case['op']} | {size(case)} | {own(found)} | {show(found, best)} | {ratio(found)} | {'; '.join(others)} "
            f"| {own(both)} | {show(both, there)} | {ratio(both)} |"
            + (memory(program, case, best) if with_memory else ""),
            flush=True,
        )


def show_laws(program, ops):
    """What is left of the laws for 256 rows near 1e4 of 128 numbers, in f32."""
    known = ["squared_euclidean", "euclidean", "cosine", "mahalanobis", "manhattan", "chebyshev", "minkowski"]
    names = [op.partition(":")[2] or op for op in ops] or known
    servers = [Server("others", 1), Server("faiss", 1)]
    print("| distance | system | largest d(x, x) | largest asymmetry | worst relative error |")
    print("|---|---|---|---|---|")
    for name in names:
        command = [program, "speed", "--op", f"laws:{name}", "--n", "256", "--dim", "128", "--json"]
        done = subprocess.run(command, capture_output=True, text=True)
        found = {"ours": json.loads(done.stdout) if done.returncode == 0 else {"error": done.stderr.strip()[:100]}}
        for server in servers:
            found |= server.ask({"op": f"pairwise:{name}", "n": 256, "dim": 128, "laws": True})
        for system, laws in found.items():
            if "error" in laws:
                print(f"| {name} | {system} | {laws['error']} | | |")
                continue
            keys = ["self_distance", "asymmetry", "worst_relative_error"]
            print(f"| {name} | {system} | " + " | ".join(f"{laws[key]:.2g}" for key in keys) + " |", flush=True)
    for server in servers:
        server.stop()


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("program", help="the program metric")
    parser.add_argument("ops", nargs="*", metavar="OP")
    parser.add_argument("--quick", action="store_true", help="3 rounds, and 128 dimensions only")
    parser.add_argument("--laws", action="store_true")
    parser.add_argument("--rounds", type=int, help="default 9")
    options = parser.parse_intermixed_args()
    if options.laws:
        return show_laws(options.program, options.ops)
    chosen = chosen_cases(options.ops, options.quick)
    if not chosen:
        sys.exit(f"no comparison is called {', '.join(options.ops)}; there are {', '.join(sorted({op for op, _ in cases(True)}))}")
    one, two = Servers(1), Servers(2)
    count = options.rounds or (3 if options.quick else 9)
    of_losses = [case for case in chosen if case["op"].startswith("loss:")]
    try:
        compare(options.program, [case for case in chosen if case not in of_losses], count, one, two)
        compare(options.program, of_losses, count, one, two, with_memory=True)
    finally:
        one.stop()
        two.stop()


if __name__ == "__main__":
    main()
