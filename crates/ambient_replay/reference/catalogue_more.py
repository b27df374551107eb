"""Records `catalogue_more.json`: trajectories of further optimisers from their reference implementations.

It goes with `catalogue.py`, which has the shapes, the start and the gradients, and the format of the file.
What is new here: rules that see the loss or a probe of the curvature, that look at the parameters, that take a tensor
or all of them as a whole, and rules that say their own step size.
Each formula stands here a second time, in NumPy, as in `catalogue.py`.
Every reference must agree with it, or nothing is written and the exit status is 1.

To run it, with Python 3.11 or later:

    pip install dadaptation==3.2 jax==0.10.2 momo-opt==0.1.0 numpy==2.4.6 optax==0.2.8 prodigyopt==1.1.2 \
        pytorch_optimizer==4.1.0 timm==1.0.31 torch==2.15.0
    python catalogue_more.py

The file is written beside this script. To the keys of `catalogue.json` it adds these:

- `losses`: a number for every step, for the rules that see the loss.
- `curvatures`: an estimate of the diagonal of the Hessian for every step, for the rules that see one. It is what a
  probe gives, z ∘ Hz, so a component can be negative.
- `learning_rate` of a case.
- `estimates` of a case: the distance d after every step, for the rules that estimate one.

On another processor the last digits of a number may differ.
"""

import json
import math
import platform
import sys
from functools import partial
from importlib.metadata import version
from pathlib import Path
from pydoc import locate
from types import SimpleNamespace
from unittest import mock

import jax
import numpy as np
import optax
import optax.contrib
import pytorch_optimizer
import torch

# This sets both libraries to f64 as well.
from catalogue import (
    ELEMENTS,
    LEARNING_RATE,
    SHAPES,
    STEPS,
    average,
    corrections,
    gradient,
    listed,
    named,
    parts,
    start,
)

PACKAGES = [
    "dadaptation",
    "jax",
    "jaxlib",
    "momo-opt",
    "numpy",
    "optax",
    "prodigyopt",
    "pytorch_optimizer",
    "timm",
    "torch",
]
TOLERANCE = 1e-13


# The inputs that `catalogue.py` does not have.


def loss(t):
    """Falls from about one, and jumps up and down. Twice it is below zero, which MoMo takes for its lower bound."""
    if t in (9, 16):
        return -0.25
    return round(1.2 * 0.9**t * (0.4 + 1.2 * (0.618034 * t % 1)), 6)


def curvature(t):
    """Spread over an interval around zero, on four scales; one in four is negative."""
    return np.array(
        [round(((0.56984 * k + 0.754878 * t) % 1 - 0.25) * (0.2, 1.0, 3.0, 0.6)[k % 4], 6) for k in range(ELEMENTS)]
    )


# Our formulas. They take the learning rate, the start and the inputs, and give what is recorded.


SIDES = {}


def compared(what, x, y):
    """Notes on which sides of y is x. Neither may hang on rounding, and in the end both must have been seen."""
    x, y = np.broadcast_arrays(x, y)
    assert (np.abs(x - y) > 1e-9 * np.maximum(np.abs(x), np.abs(y))).all(), what
    SIDES.setdefault(what, set()).update((x > y).ravel().tolist())


def flat(tensors):
    return np.concatenate([np.asarray(tensor).ravel() for tensor in tensors])


def adan(rate, theta, inputs, beta1, beta2, beta3, epsilon):
    """All three β are decays. For the paper they are what is left to one: its β is 1 − β here."""
    m, v, n, before, rows = 0, 0, 0, inputs.gradients[0], []
    for t, g in enumerate(inputs.gradients, start=1):
        m = beta1 * m + (1 - beta1) * g
        v = beta2 * v + (1 - beta2) * (g - before)
        n = beta3 * n + (1 - beta3) * (g + beta2 * (g - before)) ** 2
        numerator = m / (1 - beta1**t) + beta2 * v / (1 - beta2**t)
        theta = theta - rate * numerator / (np.sqrt(n / (1 - beta3**t)) + epsilon)
        before = g
        rows.append(theta)
    return {"parameters": rows}


def prodigy(rate, theta, inputs, beta1, beta2, epsilon, d0, beta3=None, coefficient=1.0, bias_correction=False):
    """r and s have the weights d² and not d²/d₀, which is the same in r/‖s‖₁."""
    beta3 = math.sqrt(beta2) if beta3 is None else beta3
    origin, d, m, v, r, s, rows, estimates = theta, d0, 0, 0, 0, 0, [], []
    for t, g in enumerate(inputs.gradients, start=1):
        step = rate * d * (math.sqrt(1 - beta2**t) / (1 - beta1**t) if bias_correction else 1)
        m = beta1 * m + (1 - beta1) * d * g
        v = beta2 * v + (1 - beta2) * (d * g) ** 2
        r = beta3 * r + d * step * (g @ (origin - theta))
        s = beta3 * s + d * step * g
        estimate = coefficient * r / np.abs(s).sum()
        compared("distance of Prodigy", estimate, d)
        d = max(d, estimate)
        theta = theta - step * m / (np.sqrt(v) + d * epsilon)
        rows.append(theta)
        estimates.append(d)
    return {"parameters": rows, "estimates": estimates}


def d_adapt_adam(rate, theta, inputs, beta1, beta2, epsilon, d0, bias_correction=False):
    beta3 = math.sqrt(beta2)
    d, m, v, r, s, rows, estimates = d0, 0, np.zeros(ELEMENTS), 0, np.zeros(ELEMENTS), [], []
    for t, g in enumerate(inputs.gradients, start=1):
        step = rate * d * (math.sqrt(1 - beta2**t) / (1 - beta1**t) if bias_correction else 1)
        # Here s and v are those of the step before.
        r = beta3 * r + (1 - beta3) * step * (g @ (s / (np.sqrt(v) + epsilon)))
        m = beta1 * m + (1 - beta1) * step * g
        v = beta2 * v + (1 - beta2) * g**2
        s = beta3 * s + (1 - beta3) * step * g
        estimate = r / ((1 - beta3) * np.abs(s).sum())
        compared("distance of D-Adaptation", estimate, d)
        d = max(d, estimate)
        theta = theta - m / (np.sqrt(v) + epsilon)
        rows.append(theta)
        estimates.append(d)
    return {"parameters": rows, "estimates": estimates}


def with_models(rate, theta, inputs, beta, bias_correction, metric):
    """What both forms of MoMo share: all but the metric, of which a row is the diagonal for a step.

    Without correction all averages begin with their first value, and ρ is one.
    """
    f, d, gamma, rows = 0, 0, 0, []
    for t, (g, value) in enumerate(zip(inputs.gradients, inputs.losses), start=1):
        weight = beta if bias_correction or t > 1 else 0
        rho = 1 - beta**t if bias_correction else 1
        f = weight * f + (1 - weight) * value
        d = weight * d + (1 - weight) * g
        gamma = weight * gamma + (1 - weight) * (g @ theta)
        direction = d / metric[t - 1]
        height = f + d @ theta - gamma
        compared("model of MoMo", height, 0)
        step = max(height, 0) / (d @ direction)
        compared("step of MoMo", step, rate / rho)
        theta = theta - min(rate / rho, step) * direction
        rows.append(theta)
    return {"parameters": rows}


def momo(rate, theta, inputs, beta, bias_correction=True):
    return with_models(rate, theta, inputs, beta, bias_correction, np.ones((STEPS, 1)))


def momo_adam(rate, theta, inputs, beta1, beta2, epsilon):
    v = average(inputs.gradients**2, beta2) / corrections(beta2)
    return with_models(rate, theta, inputs, beta1, True, np.sqrt(v) + epsilon)


def tensorwise(one):
    """The formula for all tensors, from the one that steps a tensor by itself."""

    def formula(rate, theta, inputs, **constants):
        gradients = [parts(g) for g in inputs.gradients]
        columns = [one(rate, part, [g[name] for g in gradients], **constants) for name, part in parts(theta).items()]
        return {"parameters": [flat(row) for row in zip(*columns)]}

    return formula


def rms(x):
    return math.sqrt(np.mean(x**2))


@tensorwise
def adafactor(rate, theta, gradients, exponent, epsilon, clip, scale=None):
    """A vector keeps all of v. A matrix keeps the means of its rows and columns, r and c: v = rcᵀ/(mean of r)."""
    v, r, c, rows = 0, 0, 0, []
    for t, g in enumerate(gradients, start=1):
        weight = t**-exponent
        square = g**2 + epsilon
        if theta.ndim == 2:
            r = (1 - weight) * r + weight * square.mean(axis=1)
            c = (1 - weight) * c + weight * square.mean(axis=0)
            v = np.outer(r, c) / r.mean()
        else:
            v = (1 - weight) * v + weight * square
        u = g / np.sqrt(v)
        # With no ε every component is ±1 at first.
        compared("clip of Adafactor", rms(u), clip if t > 1 else 0)
        u = u / max(1, rms(u) / clip)
        if scale is not None:
            compared("scale of Adafactor", rms(theta), scale)
        theta = theta - rate * (1 if scale is None else max(scale, rms(theta))) * u
        rows.append(theta)
    return rows


@tensorwise
def mars(rate, theta, gradients, beta1, beta2, gamma, epsilon, from_zero=False):
    """The approximate form: in place of the gradient of this batch at the point before stands the one used there."""
    before = np.zeros_like(theta) if from_zero else gradients[0]
    m, v, rows = 0, 0, []
    for t, g in enumerate(gradients, start=1):
        c = g + gamma * beta1 / (1 - beta1) * (g - before)
        compared("clip of MARS", np.linalg.norm(c), 1)
        c = c / max(1, np.linalg.norm(c))
        m = beta1 * m + (1 - beta1) * c
        v = beta2 * v + (1 - beta2) * c**2
        theta = theta - rate * m / (1 - beta1**t) / (np.sqrt(v / (1 - beta2**t)) + epsilon)
        before = g
        rows.append(theta)
    return rows


@tensorwise
def soap(rate, theta, gradients, beta1, beta2, shampoo_beta, epsilon, every):
    """The first step only makes the bases. Matrices have two; a vector has none, so that it takes the steps of Adam."""
    matrix = theta.ndim == 2

    def turned(x):
        return left.T @ x @ right if matrix else x

    def outer(g):
        return (g @ g.T, g.T @ g) if matrix else (0, 0)

    factors = [(1 - shampoo_beta) * square for square in outer(gradients[0])]
    if matrix:
        left, right = (np.linalg.eigh(factor)[1][:, ::-1] for factor in factors)
    m, v, rows = 0, np.zeros_like(theta), [theta]
    for t, g in enumerate(gradients[1:], start=1):
        m = beta1 * m + (1 - beta1) * g
        v = beta2 * v + (1 - beta2) * turned(g) ** 2
        u = turned(m) / (np.sqrt(v) + epsilon)
        u = left @ u @ right.T if matrix else u
        theta = theta - rate * math.sqrt(1 - beta2**t) / (1 - beta1**t) * u
        rows.append(theta)
        factors = [shampoo_beta * f + (1 - shampoo_beta) * square for f, square in zip(factors, outer(g))]
        if matrix and t % every == 0:
            # A step of orthogonal iteration, its columns by falling Rayleigh quotients. v is sorted with them.
            quotients = [np.sum(q * (f @ q), axis=0) for f, q in zip(factors, (left, right))]
            for quotient in quotients:
                compared("order of SOAP", quotient[1:], quotient[:-1])
            orders = [np.argsort(-quotient) for quotient in quotients]
            v = v[np.ix_(*orders)]
            left, right = (np.linalg.qr((f @ q)[:, order])[0] for f, q, order in zip(factors, (left, right), orders))
    return rows


def sophia(rate, theta, inputs, beta1, beta2, clip, epsilon, every):
    m, h, rows = 0, 0, []
    for t, g in enumerate(inputs.gradients, start=1):
        m = beta1 * m + (1 - beta1) * g
        if (t - 1) % every == 0:
            h = beta2 * h + (1 - beta2) * inputs.curvatures[t - 1]
        compared("floor of Sophia", h, epsilon)
        compared("clip of Sophia", np.abs(m / np.maximum(h, epsilon)), clip)
        theta = theta - rate * np.clip(m / np.maximum(h, epsilon), -clip, clip)
        rows.append(theta)
    return {"parameters": rows}


def ada_hessian(rate, theta, inputs, beta1, beta2, power, epsilon):
    m, v, rows = 0, 0, []
    for t, (g, h) in enumerate(zip(inputs.gradients, inputs.curvatures), start=1):
        m = beta1 * m + (1 - beta1) * g
        v = beta2 * v + (1 - beta2) * h**2
        theta = theta - rate * m / (1 - beta1**t) / ((v / (1 - beta2**t)) ** (power / 2) + epsilon)
        rows.append(theta)
    return {"parameters": rows}


# The references. Each is a text and a function from the start and the inputs to what is recorded.


def tensors(row):
    return [torch.tensor(part) for part in parts(row).values()]


def plain(optimiser, inputs, t):
    optimiser.step()


def with_loss(optimiser, inputs, t):
    optimiser.step(loss=torch.tensor(inputs.losses[t - 1]))


def with_curvature(every, optimiser, inputs, t):
    """Steps with an estimate of the curvature if there is one at step t."""
    optimiser.step(hessian=tensors(inputs.curvatures[t - 1]) if (t - 1) % every == 0 else None)


def in_f64(optimiser, inputs, t):
    """Steps while what is said to be f32 is f64: SOAP takes its QR decomposition in f32 whatever the tensors are."""
    with mock.patch.object(torch, "float32", torch.float64):
        optimiser.step()


def of_torch(name, step=plain, estimate=None, kind=None, note="", **settings):
    """An optimiser with PyTorch's interface.

    `estimate` is where a group has its distance. `kind` is the class where it is not the named one as it is, and `note`
    then says what it has of its own.
    """

    def run(theta, inputs):
        parameters = [torch.nn.Parameter(tensor) for tensor in tensors(theta)]
        optimiser = (kind or locate(name))(parameters, **settings)
        rows, estimates = [], []
        for t, g in enumerate(inputs.gradients, start=1):
            for parameter, tensor in zip(parameters, tensors(g)):
                parameter.grad = tensor
            step(optimiser, inputs, t)
            rows.append(flat(parameter.detach().numpy() for parameter in parameters))
            if estimate is not None:
                estimates.append(float(optimiser.param_groups[0][estimate]))
        return {"parameters": rows} if estimate is None else {"parameters": rows, "estimates": estimates}

    return f"{name}({listed(settings)}){note}", run


def stepped(transformation, loss=False, estimate=None):
    """The run of an Optax transformation, which may see the loss. `estimate` is where its state has its distance."""

    def run(theta, inputs):
        params = jax.tree.map(jax.numpy.asarray, parts(theta))
        state = transformation.init(params)
        rows, estimates = [], []
        for g, value in zip(inputs.gradients, inputs.losses):
            seen = {"value": value} if loss else {}
            updates, state = transformation.update(jax.tree.map(jax.numpy.asarray, parts(g)), state, params, **seen)
            params = optax.apply_updates(params, updates)
            rows.append(flat(params[name] for name in SHAPES))
            if estimate is not None:
                estimates.append(float(getattr(state, estimate)))
        return {"parameters": rows} if estimate is None else {"parameters": rows, "estimates": estimates}

    return run


def of_optax(name, loss=False, estimate=None, **settings):
    return f"{name}({listed(settings)})", stepped(locate(name)(**settings), loss, estimate)


def factored_in_optax(rate, exponent, epsilon, clip):
    """Adafactor from its parts in Optax. The decay is given, as Optax takes its power in f32."""
    settings = {"decay_rate": exponent, "min_dim_size_to_factor": 1, "epsilon": epsilon}
    transformation = optax.chain(
        optax.scale_by_factored_rms(**settings, decay_rate_fn=lambda i, exponent: 1 - (i + 1.0) ** -exponent),
        optax.clip_by_block_rms(clip),
        optax.scale_by_learning_rate(rate),
    )
    text = (
        f"optax.chain(optax.scale_by_factored_rms({listed(settings)}, decay_rate_fn=1 - t**-decay_rate in f64), "
        f"optax.clip_by_block_rms({clip!r}), optax.scale_by_learning_rate({rate!r}))"
    )
    return text, stepped(transformation)


class MarsWithoutRoot(pytorch_optimizer.MARS):
    """Its denominator without what it adds under the root, 1e-15, which its authors do not have."""

    apply_ams_bound = staticmethod(partial(pytorch_optimizer.MARS.apply_ams_bound, exp_avg_sq_eps=0.0))


# The cases: the name of our rule, our formula, its constants, the learning rate, and the references.
# For most rules the first case has the usual constants and the second has others, of which each matters.
#
# On Adan: the two references and the authors' code agree. Left out:
#
# - optax.adan: beside v̂ and in n it has 1 − β₂ where the authors have β₂.
# - adan_pytorch.Adan: nothing is averaged at the first step.
#
# On Prodigy and D-Adaptation: Optax always corrects for the start at zero, so it is a reference with it only. Theirs
# have the correction of both averages as a factor of the step, with ε beside the root of the uncorrected one.
#
# - Prodigy: beside ε stands d after the update, in all references, while the step has d before it.
# - D-Adaptation: pytorch_optimizer.DAdaptAdam agrees as well.
#
# On MoMo: the lower bound of the loss is zero.
#
# On Adafactor: all have the factored second moment, its decay 1 − t^(−exponent), and the clip of every tensor. No
# learning rate is relative, nothing has momentum, and the parameters scale the rate only in the third case.
#
# - pytorch_optimizer, timm and Optax add ε to the squares, as the paper does.
# - torch.optim.Adafactor has no ε there, but lower bounds: ε for the mean of r, and ε² for v. So it is a reference
#   only where ε is too small to matter. It always scales the rate by max(ε₂, RMS of the parameters); with a large
#   ε₂ that is a constant. It has min(rate, 1/√t) in place of the rate, which is the rate for as long as that is small.
#
# On MARS:
#
# - timm has nothing before the first gradient, so that c₁ = l₁, and ε where the authors have it.
# - pytorch_optimizer and the authors start from a gradient of zero. pytorch_optimizer has ε beside the root of the
#   uncorrected average, so it is zero here, and adds 1e-15 under the root, which is taken out.
#
# On SOAP: the reference takes its QR decomposition in f32. Here it is in f64, as said in `in_f64`. It leaves out the
# first step, has ε beside the root of the uncorrected average, and turns v only by sorting it.
#
# On Sophia: it has its clip at another place than the paper, where it is clip(m/max(γh, ε), 1) with γ = clip here.
#
# On AdaHessian: as the references take an estimate of the diagonal, the means over blocks of the paper are not there.

ADAN = {"beta1": 0.98, "beta2": 0.92, "beta3": 0.99, "epsilon": 1e-8}
OTHER_ADAN = {"beta1": 0.9, "beta2": 0.8, "beta3": 0.95, "epsilon": 0.001}
ADAM = {"beta1": 0.9, "beta2": 0.999, "epsilon": 1e-8}
OTHER_ADAM = {"beta1": 0.8, "beta2": 0.95, "epsilon": 0.001}
ADAFACTOR = {"exponent": 0.8, "epsilon": 1e-30, "clip": 1.0}
OTHER_ADAFACTOR = {"exponent": 0.7, "epsilon": 0.001, "clip": 0.8}
MARS = {"beta1": 0.95, "beta2": 0.99, "gamma": 0.025}
SOAP = {"beta1": 0.95, "beta2": 0.95, "shampoo_beta": 0.95, "epsilon": 1e-8}
OTHER_SOAP = {"beta1": 0.8, "beta2": 0.95, "shampoo_beta": 0.9, "epsilon": 0.001}


def betas(constants):
    return tuple(value for name, value in constants.items() if name in ("beta1", "beta2", "beta3"))


def as_torch(constants):
    return {"betas": betas(constants), "eps": constants["epsilon"]}


def adan_case(constants):
    settings = {"lr": LEARNING_RATE, **as_torch(constants)}
    references = [of_torch("pytorch_optimizer.Adan", **settings), of_torch("timm.optim.adan.Adan", **settings)]
    return "adan", adan, constants, LEARNING_RATE, references


def prodigy_case(constants, rate=1.0):
    correct = constants.get("bias_correction", False)
    third, coefficient = constants.get("beta3"), constants.get("coefficient", 1.0)
    shared = {"betas": (constants["beta1"], constants["beta2"]), "beta3": third, "eps": constants["epsilon"]}
    own = {"lr": rate, **shared, "d0": constants["d0"], "d_coef": coefficient}
    references = [of_torch("prodigyopt.Prodigy", estimate="d", **own, use_bias_correction=correct)]
    if correct:
        distances = {"estim_lr0": constants["d0"], "estim_lr_coef": coefficient}
        settings = {"learning_rate": rate, **shared, **distances}
        references.append(of_optax("optax.contrib.prodigy", estimate="estim_lr", **settings))
    else:
        references.append(of_torch("pytorch_optimizer.Prodigy", estimate="d", **own))
    return "prodigy", prodigy, constants, rate, references


def d_adapt_case(constants, rate=1.0):
    correct = constants.get("bias_correction", False)
    own = {"lr": rate, **as_torch(constants)}
    references = [
        of_torch("dadaptation.DAdaptAdam", estimate="d", **own, d0=constants["d0"], use_bias_correction=correct)
    ]
    if correct:
        settings = {"learning_rate": rate, **as_torch(constants), "estim_lr0": constants["d0"]}
        references.append(of_optax("optax.contrib.dadapt_adamw", estimate="estim_lr", **settings))
    else:
        references.append(of_torch("pytorch_optimizer.DAdaptAdam", estimate="d", **own, d0=constants["d0"]))
    return "d_adapt_adam", d_adapt_adam, constants, rate, references


def momo_case(constants, rate):
    settings = {"beta": constants["beta"], "bias_correction": constants.get("bias_correction", True)}
    references = [of_torch("momo.Momo", step=with_loss, lr=rate, **settings, lb=0)]
    if not settings["bias_correction"]:
        optimal = {"learning_rate": rate, "beta": constants["beta"], "lower_bound": 0.0}
        references.append(of_optax("optax.contrib.momo", loss=True, **optimal))
    return "momo", momo, constants, rate, references


def momo_adam_case(constants, rate):
    b1, b2 = betas(constants)
    settings = {"learning_rate": rate, "b1": b1, "b2": b2, "eps": constants["epsilon"], "lower_bound": 0.0}
    references = [
        of_torch("momo.MomoAdam", step=with_loss, lr=rate, **as_torch(constants), lb=0),
        of_optax("optax.contrib.momo_adam", loss=True, **settings),
    ]
    return "momo_adam", momo_adam, constants, rate, references


def adafactor_case(constants, in_torch=None, rate=LEARNING_RATE):
    exponent, epsilon, clip = constants["exponent"], constants["epsilon"], constants["clip"]
    scale = constants.get("scale")
    scaled = {} if scale is None else {"eps2": scale}
    references = [
        of_torch(
            "pytorch_optimizer.AdaFactor",
            lr=rate,
            betas=(None, 0.999),
            decay_rate=-exponent,
            clip_threshold=clip,
            scale_parameter=scale is not None,
            relative_step=False,
            eps1=epsilon,
            **scaled,
        )
    ]
    if scale is None:
        references.append(
            of_torch(
                "timm.optim.adafactor.Adafactor",
                lr=rate,
                eps=epsilon,
                clip_threshold=clip,
                decay_rate=-exponent,
                scale_parameter=False,
                min_dim_size_to_factor=1,
            )
        )
        references.append(factored_in_optax(rate, exponent, epsilon, clip))
    if in_torch is not None:
        references.append(of_torch("torch.optim.Adafactor", **in_torch, beta2_decay=-exponent, d=clip))
    return "adafactor", adafactor, constants, rate, references


def soap_case(constants):
    reference = of_torch(
        "pytorch_optimizer.SOAP",
        step=in_f64,
        note=", its QR decomposition in f64",
        lr=LEARNING_RATE,
        **as_torch(constants),
        shampoo_beta=constants["shampoo_beta"],
        weight_decay=0.0,
        precondition_frequency=constants["every"],
        precondition_1d=False,
    )
    return "soap", soap, constants, LEARNING_RATE, [reference]


def sophia_case(constants):
    reference = of_torch(
        "pytorch_optimizer.SophiaH",
        step=partial(with_curvature, constants["every"]),
        lr=LEARNING_RATE,
        **as_torch(constants),
        p=constants["clip"],
        update_period=constants["every"],
    )
    return "sophia", sophia, constants, LEARNING_RATE, [reference]


def ada_hessian_case(constants):
    reference = of_torch(
        "pytorch_optimizer.AdaHessian",
        step=partial(with_curvature, 1),
        lr=LEARNING_RATE,
        **as_torch(constants),
        hessian_power=constants["power"],
    )
    return "ada_hessian", ada_hessian, constants, LEARNING_RATE, [reference]


MARS_CASES = [
    (
        "mars",
        mars,
        {**MARS, "epsilon": epsilon},
        LEARNING_RATE,
        [
            of_torch(
                "timm.optim.mars.Mars",
                lr=LEARNING_RATE,
                betas=betas(MARS),
                eps=epsilon,
                gamma=MARS["gamma"],
                optimize_1d=True,
            )
        ],
    )
    for epsilon in (1e-8, 0.001)
] + [
    (
        "mars",
        mars,
        {**MARS, "epsilon": 0.0, "from_zero": True},
        LEARNING_RATE,
        [
            of_torch(
                "pytorch_optimizer.MARS",
                kind=MarsWithoutRoot,
                note=", without 1e-15 under the root",
                lr=LEARNING_RATE,
                betas=betas(MARS),
                gamma=MARS["gamma"],
                eps=0.0,
                optimize_1d=True,
                foreach=False,
            )
        ],
    )
]

CASES = [
    adan_case(ADAN),
    adan_case(OTHER_ADAN),
    prodigy_case({**ADAM, "d0": 1e-6}),
    prodigy_case({**ADAM, "d0": 1e-6, "bias_correction": True}),
    prodigy_case({**OTHER_ADAM, "d0": 0.01, "beta3": 0.9, "coefficient": 0.5}, rate=0.5),
    d_adapt_case({**ADAM, "d0": 1e-6}),
    d_adapt_case({**ADAM, "d0": 1e-6, "bias_correction": True}),
    d_adapt_case({**OTHER_ADAM, "d0": 0.01}, rate=0.5),
    momo_case({"beta": 0.9, "bias_correction": False}, 1.0),
    momo_case({"beta": 0.9, "bias_correction": False}, 0.05),
    momo_case({"beta": 0.9}, 0.05),
    momo_adam_case(ADAM, 0.05),
    momo_adam_case(OTHER_ADAM, 0.1),
    # 0.001 · 10 is the learning rate.
    adafactor_case(ADAFACTOR, in_torch={"lr": 0.001, "eps": (1e-30, 10.0)}),
    adafactor_case(OTHER_ADAFACTOR),
    adafactor_case({**ADAFACTOR, "scale": 1.05}, in_torch={"lr": LEARNING_RATE, "eps": (1e-30, 1.05)}),
    soap_case({**SOAP, "every": 1}),
    soap_case({**SOAP, "every": 3}),
    soap_case({**OTHER_SOAP, "every": 3}),
    *MARS_CASES,
    sophia_case({"beta1": 0.96, "beta2": 0.99, "clip": 0.01, "epsilon": 1e-12, "every": 10}),
    sophia_case({"beta1": 0.8, "beta2": 0.9, "clip": 1.5, "epsilon": 0.05, "every": 3}),
    ada_hessian_case({"beta1": 0.9, "beta2": 0.999, "power": 1.0, "epsilon": 1e-16}),
    ada_hessian_case({"beta1": 0.8, "beta2": 0.95, "power": 0.5, "epsilon": 0.1}),
]


def text(contents):
    """JSON with a line for each step."""

    def lines(rows, indent):
        return "[\n" + ",\n".join(" " * indent + json.dumps(row) for row in rows) + f"\n{' ' * (indent - 2)}]"

    def entries(contents, indent):
        return [
            f'"{key}": ' + (lines(value, indent) if isinstance(value, list) else json.dumps(value, ensure_ascii=False))
            for key, value in contents.items()
            if key != "cases"
        ]

    cases = ["    {\n      " + ",\n      ".join(entries(case, 8)) + "\n    }" for case in contents["cases"]]
    last = '"cases": [\n' + ",\n".join(cases) + "\n  ]"
    return "{\n  " + ",\n  ".join([*entries(contents, 4), last]) + "\n}\n"


def main():
    inputs = SimpleNamespace(
        gradients=np.array([gradient(t) for t in range(1, STEPS + 1)]),
        losses=[loss(t) for t in range(1, STEPS + 1)],
        curvatures=np.array([curvature(t) for t in range(1, STEPS + 1)]),
    )
    theta, cases, agree = start(), [], True
    for name, formula, constants, rate, references in CASES:
        # What is true is an option, a word without a number.
        numbers = {key: value for key, value in constants.items() if value is not True}
        options = [key for key, value in constants.items() if value is True]
        rule = f"{name}({', '.join([listed(numbers), *options])})"
        expected = {key: np.array(rows) for key, rows in formula(rate, theta, inputs, **constants).items()}
        for reference, run in references:
            found = {key: np.array(rows) for key, rows in run(theta, inputs).items()}
            assert found.keys() == expected.keys()
            for key, rows in found.items():
                assert rows.dtype == np.float64 and rows.shape == expected[key].shape
            difference = np.max([np.max(np.abs(rows - expected[key]) / np.abs(rows)) for key, rows in found.items()])
            # Written so that a NaN is no agreement.
            agrees = bool(difference <= TOLERANCE)
            agree = agree and agrees
            print(f"{rule}  {reference}  {difference:.1e}{'' if agrees else '  differs'}")
            case = {"rule": rule, "reference": reference, "weight_decay": 0.0, "learning_rate": rate}
            case["parameters"] = [named(row) for row in found["parameters"]]
            if "estimates" in found:
                case["estimates"] = found["estimates"].tolist()
            cases.append(case)
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
        "curvatures": [named(row) for row in inputs.curvatures],
        "cases": cases,
    }
    Path(__file__).with_name("catalogue_more.json").write_text(text(contents), encoding="utf-8")


if __name__ == "__main__":
    main()
