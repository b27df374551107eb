"""Records `catalogue_gradients.json`: trajectories of rules that change the gradient before they see it.

It goes with `catalogue.py` and `catalogue_more.py`, which have the shapes, the start and the gradients, the losses, and
the format of the file.
What is new here: components and norms that are clipped, gradients that are centralised, several of them as one, and the
correction of MARS.
Each formula stands here a second time, in NumPy, as in `catalogue.py`.
Every reference must agree with it, or nothing is written and the exit status is 1.

To run it, with Python 3.11 or later:

    pip install jax==0.10.2 numpy==2.4.6 optax==0.2.8 pytorch_optimizer==4.1.0 timm==1.0.31 torch==2.15.0
    python catalogue_gradients.py

The file is written beside this script. Its keys are those of `catalogue_more.json`, without `curvatures` and
`estimates`. A case can have `shapes`, `start` and `gradients` of its own, which stand in place of those of the file. So
have the cases of MARS, one for every tensor, as the reference takes the norm of each tensor by itself.

On another processor the last digits of a number may differ.
"""

import platform
import sys
from functools import partial
from importlib.metadata import version
from pathlib import Path
from pydoc import locate
from types import SimpleNamespace

import jax
import numpy as np
import optax
import pytorch_optimizer
import torch

# This sets both libraries to f64 as well.
from catalogue import ELEMENTS, LEARNING_RATE, SHAPES, STEPS, gradient, listed, named, parts, start
from catalogue_more import SIDES, TOLERANCE, compared, flat, loss, of_torch, stepped, text

PACKAGES = ["jax", "jaxlib", "numpy", "optax", "pytorch_optimizer", "timm", "torch"]


# Our formulas. The first take all gradients, a row for each step, and give what the rule sees in their place.


def clip_value(gradients, bound):
    compared("clip by value", np.abs(gradients), bound)
    return np.clip(gradients, -bound, bound)


def clip_norm(gradients, bound):
    """l c/‖l‖ where ‖l‖ ≥ c, over all tensors together."""
    norms = np.linalg.norm(gradients, axis=1, keepdims=True)
    compared("clip by norm", norms, bound)
    return np.where(norms >= bound, gradients * (bound / norms), gradients)


def centralised(gradients):
    """Without the mean over all axes but the first, where there is more than one axis."""

    def centre(part):
        others = tuple(range(1, part.ndim))
        return part - part.mean(axis=others, keepdims=True) if others else part

    return np.array([flat(centre(part) for part in parts(row).values()) for row in gradients])


def accumulate(gradients, every):
    """The mean of so many gradients. There is one step for them, at the last."""
    return gradients.reshape(-1, every, ELEMENTS).mean(axis=1)


def mars(gradients, gamma, beta):
    """The approximate form: in place of the gradient of this batch at the point before stands the one used there."""
    before, rows = gradients[0], []
    for l in gradients:
        c = l + gamma * beta / (1 - beta) * (l - before)
        compared("clip of MARS", np.linalg.norm(c), 1)
        rows.append(c / max(1, np.linalg.norm(c)))
        before = l
    return np.array(rows)


# And what goes on with it.


def adamw(theta, gradients, weight_decay, beta1=0.9, beta2=0.999, epsilon=1e-8):
    m, v, rows = 0, 0, []
    for t, l in enumerate(gradients, start=1):
        m = beta1 * m + (1 - beta1) * l
        v = beta2 * v + (1 - beta2) * l**2
        step = m / (1 - beta1**t) / (np.sqrt(v / (1 - beta2**t)) + epsilon)
        theta = theta - LEARNING_RATE * step - LEARNING_RATE * weight_decay * theta
        rows.append(theta)
    return np.array(rows)


def sgd(theta, gradients, weight_decay, momentum):
    m, rows = 0, []
    for l in gradients:
        m = l + momentum * m
        theta = theta - LEARNING_RATE * m - LEARNING_RATE * weight_decay * theta
        rows.append(theta)
    return np.array(rows)


def changed(rule, change, theta, gradients, weight_decay):
    return rule(theta, change(gradients), weight_decay)


def at_the_last(rule, every, theta, gradients, weight_decay):
    """θ stays where it is until there are enough gradients for a step."""
    rows = rule(theta, accumulate(gradients, every), weight_decay)
    waiting = np.array([theta, *rows])
    return np.array([waiting[t // every] for t in range(1, STEPS + 1)])


# The references. Each is a text and a function from the start and the inputs to what is recorded.


def after(change):
    """Steps after a change of the gradients in place."""

    def step(optimiser, inputs, t):
        change([parameter for group in optimiser.param_groups for parameter in group["params"]])
        optimiser.step()

    return step


def of_torch_after(change, written, name, **settings):
    note = f" after {written}"
    return of_torch(name, step=after(change), note=note, lr=LEARNING_RATE, **settings)


def of_optax_after(change, name, **settings):
    """An optimiser of Optax behind one of its transformations, given as its name and its settings."""
    settings = {"learning_rate": LEARNING_RATE, **settings}
    first, constants = change
    transformation = optax.chain(locate(first)(**constants), locate(name)(**settings))
    return f"optax.chain({first}({listed(constants)}), {name}({listed(settings)}))", stepped(transformation)


def accumulated_in_optax(name, every, **settings):
    """Optax takes the mean of gradients in f32 if it is told nothing else."""
    settings = {"learning_rate": LEARNING_RATE, **settings}
    dtype = jax.numpy.float64
    steps = optax.MultiSteps(locate(name)(**settings), every_k_schedule=every, accumulator_dtype=dtype)
    inside = f"{name}({listed(settings)}), every_k_schedule={every}, accumulator_dtype=jax.numpy.float64"
    return f"optax.MultiSteps({inside})", stepped(steps.gradient_transformation())


def of_one_tensor(name, **settings):
    """An optimiser with PyTorch's interface, with a single tensor."""
    settings = {"lr": LEARNING_RATE, **settings}

    def run(theta, inputs):
        parameter = torch.nn.Parameter(torch.tensor(theta))
        optimiser, rows = locate(name)([parameter], **settings), []
        for l in inputs.gradients:
            parameter.grad = torch.tensor(l)
            optimiser.step()
            rows.append(parameter.detach().numpy().copy())
        return {"parameters": rows}

    return f"{name}({listed(settings)})", run


# The cases: the text of our rule, our formula, the weight decay, and the references.
#
# What was looked at and has another formula than ours, and is left out:
#
# - torch.nn.utils.clip_grad_norm_, and with it pytorch_optimizer's clip_grad_norm: the factor is
#   min(1, c/(‖l‖ + 1e-6)), where no setting takes the 1e-6 away. Ours and Optax's is c/‖l‖ exactly.
# - optax.apply_every: it adds up the steps of so many gradients and takes them at once.
#
# A weight decay is for the steps that are taken: with accumulate(4) there is one in four.
#
# On MARS: nothing is before the first gradient, so that c₁ = l₁, and ε stands where ours does. Left out:
#
# - pytorch_optimizer.MARS: as its authors, it starts from a gradient of zero, c₁ = (1 + γβ/(1 − β)) l₁. It is in
#   `catalogue_more.json`.
# - HeavyBall with mars=True: it starts from zero as well, c is not divided by max(1, ‖c‖), and the factor of l − l_old
#   is γβ/(1 − γ), since the two constants are handed over in the wrong order.

NO_DECAY = {"weight_decay": 0.0}


def clipped_cases(kind, change, in_optax, in_torch=None):
    of_adamw = [of_optax_after(in_optax, "optax.adamw", **NO_DECAY)]
    of_sgd = [of_optax_after(in_optax, "optax.sgd", momentum=0.9)]
    if in_torch is not None:
        of_adamw.insert(0, of_torch_after(*in_torch, "torch.optim.AdamW", **NO_DECAY))
        of_sgd.insert(0, of_torch_after(*in_torch, "torch.optim.SGD", momentum=0.9))
    return [
        (f"adamw + {kind}", partial(changed, adamw, change), 0.0, of_adamw),
        (f"sgd(momentum=0.9) + {kind}", partial(changed, partial(sgd, momentum=0.9), change), 0.0, of_sgd),
    ]


def centralise(parameters):
    for parameter in parameters:
        pytorch_optimizer.centralize_gradient(parameter.grad)


CENTRALISED = (
    "adamw + centralised",
    partial(changed, adamw, centralised),
    0.0,
    [
        of_torch_after(centralise, "pytorch_optimizer.centralize_gradient", "torch.optim.AdamW", **NO_DECAY),
        of_optax_after(("optax.centralize", {}), "optax.adamw", **NO_DECAY),
    ],
)

ACCUMULATED = [
    (
        "adamw + accumulate(4)",
        partial(at_the_last, adamw, 4),
        weight_decay,
        [accumulated_in_optax("optax.adamw", 4, weight_decay=weight_decay)],
    )
    for weight_decay in (0.0, 0.1)
]

CASES = [
    *clipped_cases(
        "clip_value(0.5)",
        partial(clip_value, bound=0.5),
        ("optax.clip", {"max_delta": 0.5}),
        (partial(torch.nn.utils.clip_grad_value_, clip_value=0.5), "torch.nn.utils.clip_grad_value_(0.5)"),
    ),
    *clipped_cases(
        "clip_norm(1)", partial(clip_norm, bound=1.0), ("optax.clip_by_global_norm", {"max_norm": 1.0})
    ),
    CENTRALISED,
    *ACCUMULATED,
]

# The rule and the reference of the cases with one tensor each.

ADAM_OF_MARS = {"beta1": 0.95, "beta2": 0.99, "epsilon": 1e-8}
MARS = {"gamma": 0.025, "beta": 0.95}
OF_ONE_TENSOR = (
    f"adamw({listed(ADAM_OF_MARS)}) + mars({listed(MARS)})",
    partial(changed, partial(adamw, **ADAM_OF_MARS), partial(mars, **MARS)),
    0.0,
    [of_one_tensor("timm.optim.mars.Mars", betas=(0.95, 0.99), eps=1e-8, gamma=0.025, optimize_1d=True)],
)


def compare(case, theta, inputs):
    """For every reference of a case: what is recorded but for the parameters, those, and whether they agree."""
    rule, formula, weight_decay, references = case
    expected = formula(theta, inputs.gradients, weight_decay=weight_decay)
    for reference, run in references:
        found = np.array(run(theta, inputs)["parameters"])
        assert found.dtype == np.float64 and found.shape == expected.shape
        difference = np.max(np.abs(found - expected) / np.abs(found))
        # Written so that a NaN is no agreement.
        agrees = bool(difference <= TOLERANCE)
        print(f"{rule}  {reference}  {difference:.1e}{'' if agrees else '  differs'}")
        keys = {"rule": rule, "reference": reference, "weight_decay": weight_decay, "learning_rate": LEARNING_RATE}
        yield keys, found, agrees


def main():
    theta = start()
    inputs = SimpleNamespace(
        gradients=np.array([gradient(t) for t in range(1, STEPS + 1)]),
        losses=[loss(t) for t in range(1, STEPS + 1)],
    )
    cases, agree = [], True
    for case in CASES:
        for keys, found, agrees in compare(case, theta, inputs):
            agree = agree and agrees
            cases.append({**keys, "parameters": [named(row) for row in found]})
    for name, shape in SHAPES.items():
        gradients = np.array([parts(row)[name] for row in inputs.gradients])
        own = {"shapes": {name: shape}, "start": {name: parts(theta)[name].ravel().tolist()}}
        own["gradients"] = [{name: row.ravel().tolist()} for row in gradients]
        for keys, found, agrees in compare(OF_ONE_TENSOR, parts(theta)[name], SimpleNamespace(gradients=gradients)):
            agree = agree and agrees
            cases.append({**keys, **own, "parameters": [{name: row.ravel().tolist()} for row in found]})
    assert all(len(sides) == 2 for sides in SIDES.values()), SIDES
    if not agree:
        sys.exit(1)
    contents = {
        "versions": {package: version(package) for package in PACKAGES},
        "python": platform.python_version(),
        "learning_rate": LEARNING_RATE,
        "shapes": SHAPES,
        "start": named(theta),
        "gradients": [named(row) for row in inputs.gradients],
        "losses": inputs.losses,
        "cases": cases,
    }
    Path(__file__).with_name("catalogue_gradients.json").write_text(text(contents), encoding="utf-8")


if __name__ == "__main__":
    main()
