"""Times a step of other collections' optimisers for a matrix, and prints a table in Markdown.

Each has one matrix of its own in f32, and all take the same gradients. After two steps of each kind, which are not
counted and compile what is compiled, there are rounds in which every optimiser takes one step of each kind, one after
the other, so that a slow moment of the machine is shared. The median over the rounds is printed, with the shortest and
the longest step.
Those that decompose matrices now and then have two kinds of steps, with and without.
Everything is preconditioned from both sides. Where a default leaves a side out because it is long, it is raised.

To run it, with Python 3.11 or later, a C++ compiler for what HeavyBall compiles, and nothing else running:

    pip install heavyball==3.2.1 numpy==2.4.6 pytorch_optimizer==4.1.0 torch==2.15.0
    python matrix_steps.py --threads 2 --rounds 5
    python matrix_steps.py --only Muon --rows 512 --columns 256 --rounds 2

`--only` takes those whose names contain the text. `--eager` has HeavyBall take its steps without compiling them.
"""

import argparse
import math
import os
import platform
import statistics
import time
from importlib.metadata import version
from pathlib import Path
from pydoc import locate

import heavyball
import torch

ALWAYS, NEVER = 1, 10**9


# How an optimiser is told whether its next step decomposes.


def by_attribute(optimiser, parameter, decomposes):
    optimiser.preconditioning_compute_steps = ALWAYS if decomposes else NEVER


def by_state(optimiser, parameter, decomposes):
    # The first step makes the state, which is empty before.
    if optimiser.state[parameter]:
        optimiser.state[parameter]["precondition_frequency"] = ALWAYS if decomposes else NEVER


def by_probability(optimiser, parameter, decomposes):
    optimiser.precond_schedule = 1.0 if decomposes else 0.0


# The optimisers: the class, its settings, the two kinds of steps if there are two, and how to choose between them. For
# HeavyBall's PSGD-Kron the rarer step fits the factors to a probe, and decomposes nothing.

ROOTS = ("with the roots", "between")
BASES = ("with the bases", "between")
FACTORS = ("with its factors", "between")
GROUPED = {"use_muon": True}


def contenders(longest):
    in_heavyball = {"max_precond_dim": longest, "weight_decay": 0.0}
    return [
        ("torch.optim.AdamW", {}, None, None, {}),
        ("torch.optim.Adafactor", {}, None, None, {}),
        ("torch.optim.Muon", {}, None, None, {}),
        ("pytorch_optimizer.Muon", {}, None, None, GROUPED),
        ("pytorch_optimizer.NorMuon", {}, None, None, GROUPED),
        ("heavyball.Muon", {}, None, None, {}),
        ("pytorch_optimizer.Shampoo", {}, ROOTS, by_attribute, {}),
        ("heavyball.KLShampoo", in_heavyball, BASES, by_probability, {}),
        ("pytorch_optimizer.SOAP", {"max_precondition_dim": longest}, BASES, by_state, {}),
        ("heavyball.SOAP", in_heavyball, BASES, by_probability, {}),
        ("heavyball.KLSOAP", in_heavyball, BASES, by_probability, {}),
        ("heavyball.PSGDKron", {"max_size_triangular": longest}, FACTORS, by_probability, {}),
    ]


class Contender:
    """An optimiser with its matrix."""

    def __init__(self, start, name, settings, kinds, choose, group):
        self.name, self.kinds, self.choose = name, kinds or ("",), choose
        self.parameter = torch.nn.Parameter(start.clone())
        given = [{"params": [self.parameter], **group}] if group else [self.parameter]
        self.optimiser = locate(name)(given, **settings)
        self.seconds = {kind: [] for kind in self.kinds}

    def step(self, kind, gradient, counts=True):
        # Some write into the gradient.
        self.parameter.grad = gradient.clone()
        if self.choose is not None:
            self.choose(self.optimiser, self.parameter, kind == self.kinds[0])
        before = time.perf_counter()
        self.optimiser.step()
        seconds = time.perf_counter() - before
        if counts:
            self.seconds[kind].append(seconds)
        return seconds


def processor():
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
        return next(line.split(":", 1)[1].strip() for line in lines if line.startswith("model name"))
    except (OSError, StopIteration):
        return platform.processor() or platform.machine()


def table(chosen):
    first = chosen[0]
    unit = statistics.median(first.seconds[first.kinds[0]])
    yield f"| | step | median | shortest | longest | over {first.name} |"
    yield "|---|---|---|---|---|---|"
    for contender in chosen:
        for kind, seconds in contender.seconds.items():
            median = statistics.median(seconds)
            times = " | ".join(f"{1e3 * second:.1f} ms" for second in (median, min(seconds), max(seconds)))
            yield f"| {contender.name} | {kind} | {times} | {median / unit:.1f} |"


def main():
    arguments = argparse.ArgumentParser(description="Times a step of other collections' optimisers for a matrix.")
    arguments.add_argument("--rows", type=int, default=4096)
    arguments.add_argument("--columns", type=int, default=1024)
    arguments.add_argument("--rounds", type=int, default=5)
    arguments.add_argument("--threads", type=int, default=2)
    arguments.add_argument("--only", default="", help="those whose names contain this")
    arguments.add_argument("--eager", action="store_true", help="HeavyBall without compiling")
    given = arguments.parse_args()

    torch.set_num_threads(given.threads)
    torch.manual_seed(0)
    if given.eager:
        heavyball.utils.compile_mode = None
        heavyball.utils.compile_mode_recommended_to_none = None
    shape = (given.rows, given.columns)
    start = torch.randn(shape) / math.sqrt(given.columns)
    gradients = [torch.randn(shape) for _ in range(4)]

    chosen = []
    for name, *rest in contenders(max(shape)):
        if given.only not in name:
            continue
        contender = Contender(start, name, *rest)
        for count in range(2):
            for kind in contender.kinds:
                seconds = contender.step(kind, gradients[count], counts=False)
                print(f"{name} {kind}: {seconds:.2f} s before the rounds", flush=True)
        chosen.append(contender)
    if not chosen:
        arguments.error(f"no name contains {given.only!r}")
    for count in range(given.rounds):
        for contender in chosen:
            for kind in contender.kinds:
                contender.step(kind, gradients[count % len(gradients)])

    packages = ["torch", "pytorch_optimizer", "heavyball"]
    versions = ", ".join(f"{package} {version(package)}" for package in packages)
    how = "HeavyBall without compiling" if given.eager else f"HeavyBall compiled ({heavyball.utils.compile_mode})"
    print(
        f"\n{given.rows} × {given.columns} in f32, {torch.get_num_threads()} threads of {os.cpu_count()} cores "
        f"({processor()}), {given.rounds} rounds. Python {platform.python_version()}, {versions}; {how}.\n"
    )
    print("\n".join(table(chosen)))


if __name__ == "__main__":
    main()
