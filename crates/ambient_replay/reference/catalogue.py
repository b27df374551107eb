"""Records `catalogue.json`: trajectories of optimisers from their reference implementations.

The Rust rules are tested against that file.
The references are PyTorch's `torch.optim`, Optax, pytorch_optimizer, lion-pytorch, and AdaBelief and schedule-free
learning from their authors.
All take the same made-up gradients, in f64, from the same start.
Each of our formulas stands here a second time, in NumPy.
Every reference must agree with it, or nothing is written and the exit status is 1.
For each case a line tells the largest relative difference.
Some rules test other parameters than those that they train. Those are recorded beside them, as `evaluated`.

To run it, with Python 3.11 or later:

    pip install adabelief-pytorch==0.2.1 jax==0.10.2 lion-pytorch==0.2.5 numpy==2.4.6 \
        optax==0.2.8 pytorch_optimizer==4.1.0 schedulefree==1.4.1 torch==2.15.0
    python catalogue.py

The file is written beside this script.
On another processor the last digit of a number may differ.
"""

import json
import platform
import sys
from functools import partial
from importlib.metadata import version
from pathlib import Path
from pydoc import locate

import jax
import numpy as np
import optax
import optax.contrib
import pytorch_optimizer
import torch

jax.config.update("jax_enable_x64", True)
# Numbers that an optimiser of PyTorch keeps beside the parameters are in f32 without this: NAdam's product of μ is one.
torch.set_default_dtype(torch.float64)

PACKAGES = [
    "adabelief-pytorch",
    "jax",
    "jaxlib",
    "lion-pytorch",
    "numpy",
    "optax",
    "pytorch_optimizer",
    "schedulefree",
    "torch",
]
LEARNING_RATE = 0.01
STEPS = 20
TOLERANCE = 1e-12
SHAPES = {"a": [1], "b": [5], "c": [3, 4]}
SIZES = {name: int(np.prod(shape)) for name, shape in SHAPES.items()}
ELEMENTS = sum(SIZES.values())


# The inputs. The parts stand one behind the other, and k counts through all elements.


def start():
    """Values between 0.5 and 1.5, with both signs."""
    return np.array([round((-1) ** k * (0.5 + 0.618034 * (k + 1) % 1), 6) for k in range(ELEMENTS)])


def gradient(t):
    """Spread over an interval around zero, on four scales, and three times as long now and then."""

    def component(k):
        spread = (0.754878 * k + 0.56984 * t) % 1 - 0.37
        return round(spread * (0.05, 0.3, 1.0, 4.0)[k % 4] * (3 if (t + k) % 7 == 0 else 1), 6)

    return np.array([component(k) for k in range(ELEMENTS)])


# Our formulas. They take all gradients, a row for each step, and give what the learning rate is multiplied with.
# The steps depend on gradients only, so decay comes later.


def euclidean(gradients):
    return gradients


def average(gradients, beta):
    """m ← βm + (1 − β)l for every step, from zero."""
    m, rows = np.zeros(ELEMENTS), []
    for l in gradients:
        m = beta * m + (1 - beta) * l
        rows.append(m)
    return np.array(rows)


def corrections(beta, ahead=0):
    """1 − βᵗ for every step, as a column."""
    return 1 - beta ** (np.arange(1, STEPS + 1)[:, None] + ahead)


def corrected(gradients, beta):
    return average(gradients, beta) / corrections(beta)


def sgd(gradients, momentum):
    m, rows = np.zeros(ELEMENTS), []
    for l in gradients:
        m = l + momentum * m
        rows.append(m)
    return np.array(rows)


def adagrad(gradients, epsilon):
    return gradients / (np.sqrt(np.cumsum(gradients**2, axis=0)) + epsilon)


def rmsprop(gradients, beta, epsilon):
    return gradients / (np.sqrt(corrected(gradients**2, beta)) + epsilon)


def adam(gradients, beta1, beta2, epsilon):
    return corrected(gradients, beta1) / (np.sqrt(corrected(gradients**2, beta2)) + epsilon)


def amsgrad(gradients, beta1, beta2, epsilon):
    rho = np.maximum.accumulate(average(gradients**2, beta2), axis=0)
    return corrected(gradients, beta1) / (np.sqrt(rho / corrections(beta2)) + epsilon)


def adabelief(gradients, beta1, beta2, epsilon):
    m = average(gradients, beta1)
    rho, rows = np.zeros(ELEMENTS), []
    for surprise in gradients - m:
        rho = beta2 * rho + (1 - beta2) * surprise**2 + epsilon
        rows.append(rho)
    return m / corrections(beta1) / (np.sqrt(np.array(rows) / corrections(beta2)) + epsilon)


def adamax(gradients, beta1, beta2, epsilon):
    u, rows = np.zeros(ELEMENTS), []
    for l in gradients:
        u = np.maximum(beta2 * u, np.abs(l) + epsilon)
        rows.append(u)
    return corrected(gradients, beta1) / np.array(rows)


def yogi(gradients, beta1, beta2, epsilon):
    rho, rows = np.zeros(ELEMENTS), []
    for square in gradients**2:
        rho = rho - (1 - beta2) * np.sign(rho - square) * square
        rows.append(rho)
    return corrected(gradients, beta1) / (np.sqrt(np.array(rows) / corrections(beta2)) + epsilon)


def lion(gradients, beta1, beta2):
    m = np.vstack([np.zeros(ELEMENTS), average(gradients, beta2)[:-1]])
    return np.sign(beta1 * m + (1 - beta1) * gradients)


def signum(gradients, momentum):
    return np.sign(average(gradients, momentum))


def nadam(gradients, beta1, beta2, epsilon):
    ahead = beta1 * average(gradients, beta1) / corrections(beta1, ahead=1)
    m = ahead + (1 - beta1) * gradients / corrections(beta1)
    return m / (np.sqrt(corrected(gradients**2, beta2)) + epsilon)


def ema(gradients, decay):
    return corrected(gradients, decay)


# Our evaluation points. They take the start and what is added at every step, Δ, and give two trajectories: of the
# parameters that are trained, and of those that are tested.


def averaged(theta, moves, decay):
    """θ̄ ← θ̄ + (1 − d)(θ − θ̄), from θ̄₁ = θ₁."""
    trained = theta + np.cumsum(moves, axis=0)
    point, points = trained[0], []
    for row in trained:
        point = point + (1 - decay) * (row - point)
        points.append(point)
    return trained, np.array(points)


def polyak(theta, moves):
    """The mean of θ₁ to θₜ."""
    trained = theta + np.cumsum(moves, axis=0)
    return trained, np.cumsum(trained, axis=0) / np.arange(1, STEPS + 1)[:, None]


def lookahead(theta, moves, every, share):
    """φ ← φ + α(θ − φ) and θ ← φ after every so many steps, from φ₀ = θ₀. φ is what is tested."""
    fast, slow, trained, points = theta, theta, [], []
    for t, move in enumerate(moves, start=1):
        fast = fast + move
        if t % every == 0:
            slow = slow + share * (fast - slow)
            fast = slow
        trained.append(fast)
        points.append(slow)
    return np.array(trained), np.array(points)


def schedule_free(theta, moves, beta):
    """Trained is y = (1 − β)z + βx, where z ← z + Δ. Tested is x, the mean of z₁ to zₜ."""
    y, z, trained, points = theta, theta, [], []
    for t, move in enumerate(moves, start=1):
        c = 1 / t
        y = y + c * (z - y) + (1 - beta * (1 - c)) * move
        z = z + move
        trained.append(y)
        points.append(y + (1 - 1 / beta) * (z - y))
    return np.array(trained), np.array(points)


def ours(formula, constants, weight_decay, theta, gradients):
    rows = []
    for step in formula(gradients, **constants):
        theta = theta - LEARNING_RATE * step - LEARNING_RATE * weight_decay * theta
        rows.append(theta)
    return {"parameters": np.array(rows)}


def ours_with_point(formula, constants, point, point_constants, theta, gradients):
    trained, points = point(theta, -LEARNING_RATE * formula(gradients, **constants), **point_constants)
    return {"parameters": trained, "evaluated": points}


# The references. Each is a function from the start and the gradients to what is recorded after every step, with its
# text: the parameters, and the evaluation point where it is another.


def parts(flat):
    """The parts of a row of all elements, in their shapes."""
    ends = np.cumsum(list(SIZES.values()))[:-1]
    return {name: part.reshape(SHAPES[name]) for name, part in zip(SHAPES, np.split(flat, ends))}


def listed(settings):
    return ", ".join(f"{name}={value!r}" for name, value in settings.items())


def driven(make):
    """The run of an optimiser with PyTorch's interface. `make` gives it, and what reads its point, or None."""

    def flat(tensors):
        return np.concatenate([tensor.detach().numpy().ravel() for tensor in tensors])

    def run(theta, gradients):
        parameters = [torch.nn.Parameter(torch.tensor(part)) for part in parts(theta).values()]
        optimiser, point = make(parameters)
        recorded = {"parameters": []} if point is None else {"parameters": [], "evaluated": []}
        for l in gradients:
            for parameter, part in zip(parameters, parts(l).values()):
                parameter.grad = torch.tensor(part)
            optimiser.step()
            recorded["parameters"].append(flat(parameters))
            if point is not None:
                recorded["evaluated"].append(flat(point()))
        return {key: np.array(rows) for key, rows in recorded.items()}

    return run


def of_torch(name, **settings):
    """An optimiser with PyTorch's interface."""
    settings = {"lr": LEARNING_RATE, **settings}
    hidden = {"print_change_log": False} if name.startswith("adabelief_pytorch.") else {}
    run = driven(lambda parameters: (locate(name)(parameters, **settings, **hidden), None))
    return f"{name}({listed(settings)})", run


def averaging(name, decay=None, **settings):
    """An optimiser of PyTorch, and PyTorch's average after every step: with a decay, or else with equal weights."""
    settings = {"lr": LEARNING_RATE, **settings}
    weights = None if decay is None else torch.optim.swa_utils.get_ema_multi_avg_fn(decay)

    def make(parameters):
        model = torch.nn.ParameterList(parameters)
        average = torch.optim.swa_utils.AveragedModel(model, multi_avg_fn=weights)

        def point():
            average.update_parameters(model)
            return average.parameters()

        return locate(name)(parameters, **settings), point

    written = "" if decay is None else f"multi_avg_fn=torch.optim.swa_utils.get_ema_multi_avg_fn({decay!r})"
    return f"{name}({listed(settings)}), torch.optim.swa_utils.AveragedModel({written})", driven(make)


def looking_ahead(name, ahead, **settings):
    """An optimiser of PyTorch in pytorch_optimizer's Lookahead, which puts its slow weights in place for testing."""
    settings = {"lr": LEARNING_RATE, **settings}

    def make(parameters):
        optimiser = pytorch_optimizer.Lookahead(locate(name)(parameters, **settings), **ahead)

        def point():
            optimiser.backup_and_load_cache()
            copies = [parameter.detach().clone() for parameter in parameters]
            optimiser.clear_and_load_backup()
            return copies

        return optimiser, point

    return f"pytorch_optimizer.Lookahead({name}({listed(settings)}), {listed(ahead)})", driven(make)


def switched(name, **settings):
    """An optimiser that puts the parameters to be tested in place of those that are trained, and back."""
    settings = {"lr": LEARNING_RATE, **settings}

    def make(parameters):
        optimiser = locate(name)(parameters, **settings)
        optimiser.train()

        def point():
            optimiser.eval()
            copies = [parameter.detach().clone() for parameter in parameters]
            optimiser.train()
            return copies

        return optimiser, point

    return f"{name}({listed(settings)})", driven(make)


def stepped(transformation, begin=lambda theta: theta, trained=lambda params: params, point=None):
    """The run of an Optax transformation. `begin` makes what it steps from the start; the last two read it."""

    def flat(tree):
        return np.concatenate([np.asarray(tree[name]).ravel() for name in SHAPES])

    def run(theta, gradients):
        params = begin(jax.tree.map(jax.numpy.asarray, parts(theta)))
        state = transformation.init(params)
        recorded = {"parameters": []} if point is None else {"parameters": [], "evaluated": []}
        for l in gradients:
            updates, state = transformation.update(jax.tree.map(jax.numpy.asarray, parts(l)), state, params)
            params = optax.apply_updates(params, updates)
            recorded["parameters"].append(flat(trained(params)))
            if point is not None:
                recorded["evaluated"].append(flat(point(state, params)))
        return {key: np.array(rows) for key, rows in recorded.items()}

    return run


def of_optax(name, point=None, **settings):
    """An optimiser of Optax."""
    settings = {"learning_rate": LEARNING_RATE, **settings}
    return f"{name}({listed(settings)})", stepped(locate(name)(**settings), point=point)


def looking_ahead_in_optax(name, ahead, **settings):
    """An optimiser of Optax in its lookahead, which steps fast and slow weights as a pair."""
    settings = {"learning_rate": LEARNING_RATE, **settings}
    run = stepped(
        optax.lookahead(locate(name)(**settings), **ahead),
        begin=optax.LookaheadParams.init_synced,
        trained=lambda params: params.fast,
        point=lambda state, params: params.slow,
    )
    return f"optax.lookahead({name}({listed(settings)}), {listed(ahead)})", run


def scaled(name, **settings):
    """A transformation of Optax, and then the learning rate."""
    transformation = optax.chain(locate(name)(**settings), optax.scale_by_learning_rate(LEARNING_RATE))
    text = f"optax.chain({name}({listed(settings)}), optax.scale_by_learning_rate({LEARNING_RATE!r}))"
    return text, stepped(transformation)


# The cases: the text of our rule, our formula, its constants, and the references.
# Constants are not the usual ones, so that each of them matters.
#
# What was looked at and has another formula than ours, and is left out:
#
# - torch.optim.RMSprop: its mean of squares is not corrected for its start at zero. In its place stands Optax's Adam
#   without momentum, which is.
# - optax.amsgrad: by default it takes the maximum after the correction, max(ρ̂, v̂), and without the correction of v it
#   has none at all. Ours and PyTorch's correct the maximum, max(ρ, v)/(1 − βᵗ).
# - torch.optim.NAdam with its defaults: μ warms up, μₜ = β₁(1 − 0.96^(t·decay)/2). With a decay so large that the power
#   is zero, μ is β₁ from the first step on, and the formula is ours. So it is used here.
#
# On AdaBelief: the authors' package, pytorch_optimizer and Optax agree with ours, which has ε at two places: in ρ, at
# every step, and beside the root. They do so as follows.
#
# - adabelief_pytorch: without its rectification (on by default) and without decay. It is the first reference.
# - pytorch_optimizer: as it is by default, without rectification and without decay.
# - Optax: it has two constants, eps_root in ρ and eps beside the root. Both must be ε; by default both are 1e-16.
#
# On Yogi: both references start m and ρ from 1e-6 by default, and optax.yogi knows no other start. Ours starts from zero,
# and so do they here.
#
# Cautious steps are left out as well. Ours counts over all parameters together: u φ n/(Σφ + 1), with φᵢ = [m̂ᵢlᵢ > 0].
# The references count in every tensor by itself, so only of a single tensor could they say the same.
#
# - pytorch_optimizer with cautious=True, and Lion from the authors of the method: n/(Σφ + 1) in every tensor.
# - AdamW from the authors: 1/max(Σφ/n, 0.001) in every tensor. So not even the step of a single tensor is ours.
# - lion_pytorch.cautious_lion: the same with 1e-5.

ADAM = {"beta1": 0.8, "beta2": 0.95, "epsilon": 0.001}
BETAS = (ADAM["beta1"], ADAM["beta2"])
AS_TORCH = {"betas": BETAS, "eps": ADAM["epsilon"]}
AS_OPTAX = {"b1": ADAM["beta1"], "b2": ADAM["beta2"], "eps": ADAM["epsilon"]}

CASES = [
    ("sgd({})", sgd, {"momentum": 0.9}, 0.0, [of_torch("torch.optim.SGD", momentum=0.9)]),
    (
        "flat(adagrad({}))",
        adagrad,
        {"epsilon": 0.01},
        0.0,
        [of_torch("torch.optim.Adagrad", lr_decay=0.0, initial_accumulator_value=0.0, eps=0.01)],
    ),
    (
        "flat(rmsprop({}))",
        rmsprop,
        {"beta": 0.9, "epsilon": 0.01},
        0.0,
        [of_optax("optax.adam", b1=0.0, b2=0.9, eps=0.01, eps_root=0.0)],
    ),
    (
        "adam({})",
        adam,
        ADAM,
        0.0,
        [of_torch("torch.optim.Adam", **AS_TORCH), of_optax("optax.adam", **AS_OPTAX, eps_root=0.0)],
    ),
    ("adamw({})", adam, ADAM, 0.1, [of_torch("torch.optim.AdamW", **AS_TORCH, weight_decay=0.1)]),
    ("amsgrad({})", amsgrad, ADAM, 0.0, [of_torch("torch.optim.Adam", **AS_TORCH, amsgrad=True)]),
    (
        "adabelief({})",
        adabelief,
        ADAM,
        0.0,
        [
            of_torch(
                "adabelief_pytorch.AdaBelief", **AS_TORCH, weight_decay=0.0, weight_decouple=False, rectify=False
            ),
            of_torch("pytorch_optimizer.AdaBelief", **AS_TORCH, weight_decay=0.0, rectify=False),
            of_optax("optax.adabelief", **AS_OPTAX, eps_root=ADAM["epsilon"]),
        ],
    ),
    (
        "adamax({})",
        adamax,
        ADAM,
        0.0,
        [of_torch("torch.optim.Adamax", **AS_TORCH), of_optax("optax.adamax", **AS_OPTAX)],
    ),
    (
        "yogi({})",
        yogi,
        ADAM,
        0.0,
        [
            scaled("optax.scale_by_yogi", **AS_OPTAX, eps_root=0.0, initial_accumulator_value=0.0),
            of_torch("pytorch_optimizer.Yogi", **AS_TORCH, initial_accumulator=0.0),
        ],
    ),
    (
        "lion({})",
        lion,
        {"beta1": 0.8, "beta2": 0.95},
        0.0,
        [
            of_optax("optax.lion", b1=0.8, b2=0.95, weight_decay=0.0),
            of_torch("lion_pytorch.Lion", betas=(0.8, 0.95), weight_decay=0.0),
        ],
    ),
    (
        "signum({})",
        signum,
        {"momentum": 0.8},
        0.0,
        [of_torch("pytorch_optimizer.SignSGD", momentum=0.8), of_optax("optax.signum", beta=0.8)],
    ),
    (
        "nadam({})",
        nadam,
        ADAM,
        0.0,
        [
            of_optax("optax.nadam", **AS_OPTAX, eps_root=0.0),
            of_torch("torch.optim.NAdam", **AS_TORCH, momentum_decay=1e6),
        ],
    ),
    ("flat(euclidean) + ema({})", ema, {"decay": 0.9}, 0.0, [scaled("optax.ema", decay=0.9, debias=True)]),
]

# The cases with an evaluation point: text, formula and constants of the rule, the same of the point, the references.
# Nothing decays.
#
# On the schedule-free references: they weigh every z in x by η², with η the largest learning rate so far. With a
# constant learning rate and without warm-up all weights are equal, so that c = 1/t as in ours. Their AdamW has ε where
# ours has it, beside the root of the corrected mean of squares. So ε can be large enough to matter. Its β₁ is the β of
# the point.
#
# What was looked at and has another formula than ours, and is left out:
#
# - schedulefree.AdamWScheduleFreePaper: ε stands beside the root of the uncorrected mean. The correction is a factor
#   √(1 − βᵗ) of the learning rate, and with it the weights of z grow: c is not 1/t.
# - pytorch_optimizer.Lookahead with pullback_momentum="reset" or "pullback": it changes the momentum when the slow
#   weights move. Ours keeps it, as "none" does, and optax.lookahead with reset_state=False.

RMSPROP = {"beta": 0.95, "epsilon": 0.01}

CASES_WITH_POINT = [
    (
        ("sgd({})", sgd, {"momentum": 0.9}),
        ("averaged({})", averaged, {"decay": 0.75}),
        [averaging("torch.optim.SGD", decay=0.75, momentum=0.9)],
    ),
    (("adam({})", adam, ADAM), ("polyak", polyak, {}), [averaging("torch.optim.Adam", **AS_TORCH)]),
    (
        ("sgd({})", sgd, {"momentum": 0.9}),
        ("lookahead({})", lookahead, {"every": 5, "share": 0.5}),
        [
            looking_ahead("torch.optim.SGD", {"k": 5, "alpha": 0.5, "pullback_momentum": "none"}, momentum=0.9),
            looking_ahead_in_optax(
                "optax.sgd", {"sync_period": 5, "slow_step_size": 0.5, "reset_state": False}, momentum=0.9
            ),
        ],
    ),
    (
        ("flat(euclidean)", euclidean, {}),
        ("schedule_free({})", schedule_free, {"beta": 0.9}),
        [
            switched("schedulefree.SGDScheduleFree", momentum=0.9, warmup_steps=0, weight_decay=0.0),
            of_optax("optax.contrib.schedule_free_sgd", optax.contrib.schedule_free_eval_params, b1=0.9),
        ],
    ),
    (
        ("flat(rmsprop({}))", rmsprop, RMSPROP),
        ("schedule_free({})", schedule_free, {"beta": 0.9}),
        [
            switched("schedulefree.AdamWScheduleFree", betas=(0.9, 0.95), eps=0.01, warmup_steps=0, weight_decay=0.0),
            of_optax(
                "optax.contrib.schedule_free_adamw",
                optax.contrib.schedule_free_eval_params,
                b1=0.9,
                b2=0.95,
                eps=0.01,
                weight_decay=0.0,
            ),
        ],
    ),
]


def comparisons():
    """For every reference: our rule, its decay, what is expected as a function, and the reference."""
    for template, formula, constants, weight_decay, references in CASES:
        rule = template.format(listed(constants))
        expected = partial(ours, formula, constants, weight_decay)
        yield from ((rule, weight_decay, expected, *reference) for reference in references)
    for base, at, references in CASES_WITH_POINT:
        rule = " + ".join(template.format(listed(constants)) for template, _, constants in (base, at))
        expected = partial(ours_with_point, *base[1:], *at[1:])
        yield from ((rule, 0.0, expected, *reference) for reference in references)


def check_inputs(gradients):
    """No sign may hang on rounding, and both branches of maxima and signs must be taken."""
    squares = gradients**2
    assert np.abs(gradients).min() > 1e-4
    v = average(squares, ADAM["beta2"])
    assert (np.diff(v, axis=0) < 0).any(axis=0).all()
    rho, signs = np.zeros(ELEMENTS), []
    for square in squares:
        assert (np.abs(rho - square) > 1e-6 * square).all()
        signs.append(np.sign(rho - square))
        rho = rho - (1 - ADAM["beta2"]) * signs[-1] * square
    assert np.unique(signs).tolist() == [-1, 1]
    m = np.vstack([np.zeros(ELEMENTS), average(gradients, 0.95)[:-1]])
    for signed in (average(gradients, 0.8), 0.8 * m + 0.2 * gradients):
        assert (np.abs(signed) > 1e-6 * np.abs(gradients)).all()
        assert (np.sign(signed) != np.sign(gradients)).any()


def named(row):
    return {name: part.ravel().tolist() for name, part in parts(row).items()}


def text(contents):
    """JSON with a line for each step."""

    def lines(rows, indent):
        return "[\n" + ",\n".join(" " * indent + json.dumps(row) for row in rows) + f"\n{' ' * (indent - 2)}]"

    def case(contents):
        entries = [
            f'"{key}": {lines(value, 8) if isinstance(value, list) else json.dumps(value)}'
            for key, value in contents.items()
        ]
        return "    {\n      " + ",\n      ".join(entries) + "\n    }"

    entries = [
        f'"{key}": {json.dumps(value, ensure_ascii=False)}'
        for key, value in contents.items()
        if key not in ("gradients", "cases")
    ]
    entries.append(f'"gradients": {lines(contents["gradients"], 4)}')
    entries.append('"cases": [\n' + ",\n".join(map(case, contents["cases"])) + "\n  ]")
    return "{\n  " + ",\n  ".join(entries) + "\n}\n"


def main():
    theta, gradients = start(), np.array([gradient(t) for t in range(1, STEPS + 1)])
    check_inputs(gradients)
    cases, agree = [], True
    for rule, weight_decay, expect, reference, run in comparisons():
        expected, found = expect(theta, gradients), run(theta, gradients)
        assert found.keys() == expected.keys()
        for key, rows in found.items():
            assert rows.dtype == np.float64 and rows.shape == expected[key].shape
        difference = np.max([np.max(np.abs(rows - expected[key]) / np.abs(rows)) for key, rows in found.items()])
        # Written so that a NaN is no agreement.
        agrees = bool(difference <= TOLERANCE)
        agree = agree and agrees
        print(f"{rule}  {reference}  {difference:.1e}{'' if agrees else '  differs'}")
        recorded = {key: [named(row) for row in rows] for key, rows in found.items()}
        cases.append({"rule": rule, "reference": reference, "weight_decay": weight_decay, **recorded})
    if not agree:
        sys.exit(1)
    contents = {
        "versions": {package: version(package) for package in PACKAGES},
        "python": platform.python_version(),
        "learning_rate": LEARNING_RATE,
        "shapes": SHAPES,
        "start": named(theta),
        "gradients": [named(row) for row in gradients],
        "cases": cases,
    }
    Path(__file__).with_name("catalogue.json").write_text(text(contents), encoding="utf-8")


if __name__ == "__main__":
    main()
