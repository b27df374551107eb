"""Records `catalogue_matrices.json`: trajectories of rules for matrices from their reference implementations.

It goes with `catalogue.py`, and the file has the same keys, with a learning rate in each case. All parameters are
matrices, a tall and a wide one.
Each formula stands here a second time, in NumPy, as in `catalogue.py`.
Every reference must agree with it, or nothing is written and the exit status is 1.

To run it, with Python 3.11 or later:

    pip install jax==0.10.2 numpy==2.4.6 optax==0.2.8 pytorch_optimizer==4.1.0 torch==2.15.0
    python catalogue_matrices.py

The file is written beside this script.
On another processor the last digits of a number may differ.
"""

import math
import platform
import sys
from contextlib import ExitStack, contextmanager
from functools import partial, partialmethod
from importlib import import_module
from importlib.metadata import version
from pathlib import Path
from pydoc import locate
from unittest import mock

import jax
import numpy as np
import optax
import optax.contrib
import torch
from pytorch_optimizer.optimizer import scion
from pytorch_optimizer.optimizer.utils.matrix import zero_power_via_newton_schulz_5

# This sets both libraries to f64 as well.
from catalogue import LEARNING_RATE, STEPS, listed
from catalogue_more import TOLERANCE, text

PACKAGES = ["jax", "jaxlib", "numpy", "optax", "pytorch_optimizer", "torch"]
SHAPES = {"tall": [4, 3], "wide": [3, 4]}


# The inputs. A matrix is a dictionary's value everywhere, and k counts through the elements of both.


def matrices(numbers):
    tall, wide = np.split(np.array(numbers), 2)
    return {"tall": tall.reshape(SHAPES["tall"]), "wide": wide.reshape(SHAPES["wide"])}


def start():
    """Values between 0.5 and 1.5, with both signs."""
    return matrices([round((-1) ** k * (0.5 + 0.618034 * (k + 1) % 1), 6) for k in range(24)])


def gradient(t):
    """Spread over an interval around zero, on five scales, and three times as long now and then."""

    def component(k):
        spread = (0.754878 * k + 0.56984 * t) % 1 - 0.37
        return round(spread * (0.05, 0.3, 1.0, 4.0, 0.6)[k % 5] * (3 if (t + k) % 7 == 0 else 1), 6)

    return matrices([component(k) for k in range(24)])


# Our formulas. They take the gradients of one matrix, and give what the learning rate is multiplied with.


def ema(gradients, decay):
    """m/(1 − μᵗ), m ← μm + (1 − μ)l."""
    m = 0
    for t, l in enumerate(gradients, start=1):
        m = decay * m + (1 - decay) * l
        yield m / (1 - decay**t)


def nesterov(gradients, decay):
    """μm/(1 − μᵗ⁺¹) + (1 − μ)l/(1 − μᵗ), m ← μm + (1 − μ)l."""
    m = 0
    for t, l in enumerate(gradients, start=1):
        m = decay * m + (1 - decay) * l
        yield decay * m / (1 - decay ** (t + 1)) + (1 - decay) * l / (1 - decay**t)


def polar(matrix):
    """Five steps of Newton and Schulz, with the coefficients of Muon."""
    x = matrix / np.linalg.norm(matrix)
    for _ in range(5):
        gram = x @ x.T
        x = 3.4445 * x + (-4.7750 * gram + 2.0315 * gram @ gram) @ x
    return x


def rows_are_outputs(matrix):
    rows, columns = matrix.shape
    return math.sqrt(max(1, rows / columns))


def columns_are_outputs(matrix):
    return rows_are_outputs(matrix.T)


def muon(gradients, momentum, width):
    return [width(m) * polar(m) for m in momentum(gradients)]


def normuon(gradients, momentum, width, beta, epsilon):
    v, rows = 0, []
    for m in momentum(gradients):
        o = polar(m)
        v = beta * v + (1 - beta) * np.mean(o**2, axis=1, keepdims=True)
        u = o / (np.sqrt(v) + epsilon)
        rows.append(width(m) * np.linalg.norm(o) / np.linalg.norm(u) * u)
    return rows


def col_norm(gradients, momentum):
    """Every column over its length, times the root of the number of rows: a root mean square of one."""
    return [math.sqrt(len(m)) * m / np.linalg.norm(m, axis=0) for m in momentum(gradients)]


def ours(formula):
    theta, gradients = start(), [gradient(t) for t in range(1, STEPS + 1)]
    steps = {name: formula([g[name] for g in gradients]) for name in SHAPES}
    return {name: theta[name] - LEARNING_RATE * np.cumsum(steps[name], axis=0) for name in SHAPES}


# The references. Each is a text and a function that gives what is recorded, the rows of each matrix by its name.


@contextmanager
def in_f64():
    """The polar factor in f64, which PyTorch and pytorch_optimizer take in bf16 whatever the matrices are."""
    whole = partial(zero_power_via_newton_schulz_5, dtype=torch.float64)
    with ExitStack() as stack:
        stack.enter_context(mock.patch.object(torch, "bfloat16", torch.float64))
        for module in ("base", "normuon"):
            module = import_module(f"pytorch_optimizer.optimizer.muon.{module}")
            stack.enter_context(mock.patch.object(module, "zero_power_via_newton_schulz_5", whole))
        yield


def without_epsilon():
    """The norm of columns without the 1e-8 that stands beside the root, which is no setting."""
    return mock.patch.object(scion.Col, "lmo", partialmethod(scion.Col.lmo, eps=0.0))


def of_torch(reference, context, note, grouped=False, **settings):
    """An optimiser with PyTorch's interface. If it is grouped, it is told which parameters take the steps of Muon."""
    settings = {"lr": LEARNING_RATE, **settings}

    def run():
        parameters = {name: torch.nn.Parameter(torch.tensor(part)) for name, part in start().items()}
        given = list(parameters.values())
        optimiser = locate(reference)([{"params": given, "use_muon": True}] if grouped else given, **settings)
        found = {name: [] for name in SHAPES}
        for t in range(1, STEPS + 1):
            for name, part in gradient(t).items():
                parameters[name].grad = torch.tensor(part)
            with context():
                optimiser.step()
            for name, parameter in parameters.items():
                found[name].append(parameter.detach().numpy().copy())
        return found

    return f"{reference}({listed(settings)}), {note}", run


def of_optax(reference, **settings):
    settings = {"learning_rate": LEARNING_RATE, **settings}

    def run():
        transformation = locate(reference)(**settings)
        params = jax.tree.map(jax.numpy.asarray, start())
        state = transformation.init(params)
        found = {name: [] for name in SHAPES}
        for t in range(1, STEPS + 1):
            updates, state = transformation.update(jax.tree.map(jax.numpy.asarray, gradient(t)), state, params)
            params = optax.apply_updates(params, updates)
            for name in SHAPES:
                found[name].append(np.asarray(params[name]))
        return found

    return f"{reference}({listed(settings)})", run


# The cases: the text of our rule, our formula, and the references.
#
# On Muon: PyTorch and pytorch_optimizer scale by √max(1, rows/columns), Optax by √max(1, columns/rows). All make the
# polar factor with the same polynomial.
#
# - Optax has Nesterov's momentum with both corrections, as ours is. It adds ε to the norm that it divides by, so ε is
#   zero here.
# - PyTorch and pytorch_optimizer have it without any, (1 − μ)l + μm, which is another direction. So they are references
#   without it: m and m/(1 − μᵗ) have the same polar factor.
#
# On NorMuon: pytorch_optimizer has the same ε at a second place, beside the length of the step that it makes as long as
# Muon's. So ε is too small to matter. With update_scale="match_rms" it has the paper's length in place of Muon's,
# 0.2√(mn), and no width; ours has not.
#
# On the norm of columns: normalized=True also divides by the number of columns. ε is taken out: ours has none.

MU, BETA, EPSILON = 0.9, 0.8, 1e-20
OF_MUON = {"momentum": MU, "nesterov": False, "weight_decay": 0.0}
IN_F64 = "its polar factor in f64"

CASES = [
    (
        f"flat(muon(nesterov(decay={MU}), columns_are_outputs))",
        partial(muon, momentum=partial(nesterov, decay=MU), width=columns_are_outputs),
        [of_optax("optax.contrib.muon", beta=MU, eps=0.0)],
    ),
    (
        f"flat(muon(ema(decay={MU}), rows_are_outputs))",
        partial(muon, momentum=partial(ema, decay=MU), width=rows_are_outputs),
        [
            of_torch("torch.optim.Muon", in_f64, IN_F64, **OF_MUON),
            of_torch("pytorch_optimizer.Muon", in_f64, IN_F64, grouped=True, **OF_MUON),
        ],
    ),
    (
        f"flat(normuon(ema(decay={MU}), rows_are_outputs, beta={BETA}, epsilon={EPSILON}))",
        partial(normuon, momentum=partial(ema, decay=MU), width=rows_are_outputs, beta=BETA, epsilon=EPSILON),
        [of_torch("pytorch_optimizer.NorMuon", in_f64, IN_F64, grouped=True, beta2=BETA, eps=EPSILON, **OF_MUON)],
    ),
    (
        f"flat(col_norm(rows_are_outputs)) + ema(decay={MU})",
        partial(col_norm, momentum=partial(ema, decay=MU)),
        [
            of_torch(
                "pytorch_optimizer.SCION",
                without_epsilon,
                "without 1e-8 beside the root",
                momentum=round(1 - MU, 12),
                norm_type=int(scion.LMONorm.COL),
            )
        ],
    ),
]


def named(rows):
    return {name: part.ravel().tolist() for name, part in rows.items()}


def main():
    cases, agree = [], True
    for rule, formula, references in CASES:
        expected = ours(formula)
        for reference, run in references:
            found = {name: np.array(rows) for name, rows in run().items()}
            for name, rows in found.items():
                assert rows.dtype == np.float64 and rows.shape == expected[name].shape
            difference = np.max([np.max(np.abs(rows - expected[name]) / np.abs(rows)) for name, rows in found.items()])
            # Written so that a NaN is no agreement.
            agrees = bool(difference <= TOLERANCE)
            agree = agree and agrees
            print(f"{rule}  {reference}  {difference:.1e}{'' if agrees else '  differs'}")
            case = {"rule": rule, "reference": reference, "weight_decay": 0.0, "learning_rate": LEARNING_RATE}
            case["parameters"] = [named({name: found[name][t] for name in SHAPES}) for t in range(STEPS)]
            cases.append(case)
    if not agree:
        sys.exit(1)
    contents = {
        "versions": {package: version(package) for package in PACKAGES},
        "python": platform.python_version(),
        "learning_rate": LEARNING_RATE,
        "shapes": SHAPES,
        "start": named(start()),
        "gradients": [named(gradient(t)) for t in range(1, STEPS + 1)],
        "cases": cases,
    }
    Path(__file__).with_name("catalogue_matrices.json").write_text(text(contents), encoding="utf-8")


if __name__ == "__main__":
    main()
