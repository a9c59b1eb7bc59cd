"""What check.py knows of samplers: whole runs by diffusers' schedulers, of every setting that they and ours have.

Of theirs, ours lack: thresholds, noise that is told anew from clipped data, other orders and algorithms of
DPM-Solver, sigmas spread otherwise than by Karras, an end above 0 in sigma, and noise within Euler's steps."""

import itertools
from fractions import Fraction
from unittest import mock

import diffusers
import numpy
import torch
from diffusers.schedulers import scheduling_lcm
from fixture import normal

SCHEDULERS = {"ddim": "DDIMScheduler", "euler": "EulerDiscreteScheduler", "dpm_solver": "DPMSolverMultistepScheduler",
              "lcm": "LCMScheduler"}
CURVES = {"linear": "linear", "scaled_linear": "scaled_linear", "cosine": "squaredcos_cap_v2"}
TARGETS = {"epsilon": "epsilon", "v": "v_prediction", "sample": "sample"}
# What ours and diffusers are told of each spacing.
SPACINGS = {name: (name, {"timestep_spacing": name}) for name in ("trailing", "linspace")} | {
    f"leading_{offset}": ({"leading": {"steps_offset": offset}}, {"timestep_spacing": "leading", "steps_offset": offset})
    for offset in (0, 1)}
MOST_STEPS = 50

# All there is to choose of a process, and of each solver; "other" stands for a number that is drawn.
PROCESS = {"curve": CURVES, "zero": (False, True), "target": TARGETS, "train_steps": (1000, "other")}
SOLVERS = {
    "ddim": {"spacing": SPACINGS, "eta": (0.0, "other", 1.0), "set_alpha_to_one": (True, False), "clip": (None, "other")},
    "euler": {"spacing": SPACINGS, "karras": (False, True)},
    "dpm_solver": {"spacing": SPACINGS, "karras": (False, True)},
    "lcm": {"original_inference_steps": (50, "other"), "timestep_scaling": (10.0, "other")},
}
# Combinations that cannot be compared, and why.
LACKING = {
    "a prediction of the noise says nothing of the data where no signal is left: ours refuse it; theirs divide by 0, or "
    "by the 1/4096 that stands for it": lambda of: of["zero"] and of["target"] == "epsilon",
    "their DPM-Solver cuts the timesteps of Karras' sigmas off with the cosine, and rounds them elsewhere; ours rounds":
        lambda of: of["kind"] == "dpm_solver" and of["karras"] and of["curve"] == "cosine",
}
# The same of some numbers of steps, or of some schedules.
ONE_TOO_MANY = "by rounding, theirs have one timestep too many for so many steps: -1"
NOT_FINITE = "with eta 1 where no signal is left, theirs take the root of what is 0 but for rounding, and below it here"


def combinations(random):
    """Every combination that can be compared, in random order and of each solver in turn; prints what is left out."""
    found = []
    for kind, own in SOLVERS.items():
        choices = PROCESS | own
        found += [{"kind": kind} | dict(zip(choices, values)) for values in itertools.product(*choices.values())]
    for reason, holds in LACKING.items():
        left = [of for of in found if not holds(of)]
        print(f"left out, {len(found) - len(left)} combinations: {reason}")
        found = left
    found = [found[i] for i in torch.randperm(len(found), generator=random)]
    rows = itertools.zip_longest(*([of for of in found if of["kind"] == kind] for kind in SOLVERS))
    return [of for row in rows for of in row if of]


def drawn(of, random):
    """A run of a combination, its numbers drawn: as ours read it, and what diffusers' scheduler is made with."""
    between = lambda low, high: low + (high - low) * torch.rand((), generator=random).item()
    whole = lambda low, high: torch.randint(low, high + 1, (), generator=random).item()
    other = {"train_steps": lambda: whole(200, 1000), "eta": lambda: between(0, 1), "clip": lambda: between(0.3, 1.5),
             "original_inference_steps": lambda: whole(10, 150), "timestep_scaling": lambda: 10 ** between(-2.5, 1.5)}
    of = {name: other[name]() if value == "other" else value for name, value in of.items()}
    steps = whole(1, min(MOST_STEPS, of.get("original_inference_steps", MOST_STEPS)))
    betas = {}
    if of["curve"] != "cosine":
        # With larger ones, zero terminal SNR leaves less at the last timestep but one than what stands for 0 at the last.
        betas = {"start": between(5e-4, 2e-3), "end": between(4e-3, 9e-3) if of["zero"] else between(8e-3, 3e-2)}
    theirs = {f"beta_{name}": value for name, value in betas.items()} | {
        "num_train_timesteps": of["train_steps"], "beta_schedule": CURVES[of["curve"]],
        "rescale_betas_zero_snr": of["zero"], "prediction_type": TARGETS[of["target"]]}
    method = {name: of[name] for name in ("kind", *SOLVERS[of["kind"]])}
    theirs |= {n: v for n, v in method.items() if n in ("set_alpha_to_one", "original_inference_steps", "timestep_scaling")}
    if "spacing" in of:
        method["spacing"], options = SPACINGS[of["spacing"]]
        theirs |= options
    if "karras" in of:
        theirs["use_karras_sigmas"] = of["karras"]
    if "clip" in of:
        theirs |= {"clip_sample": of["clip"] is not None, "clip_sample_range": of["clip"] or 1.0}
    schedule = {"betas": {"kind": of["curve"]} | betas, "train_steps": of["train_steps"], "zero_terminal_snr": of["zero"]}
    return {"process": {"schedule": schedule, "target": of["target"]}, "method": method, "steps": steps}, theirs


def told(scheduler, i, steps):
    """What DDIM is told of the number n of its steps: it goes T // n timesteps back whatever its spacing, so that where
    the next one of the spacing lies elsewhere, n is what leads there."""
    of_training = scheduler.config.num_train_timesteps
    here, after = [*scheduler.timesteps.tolist(), -1][i:i + 2]
    return steps if max(here - of_training // steps, -1) == after else Fraction(of_training, here - after)


def run(ours, theirs, noise, draws, predict):
    """States as the network sees them, and the end; or why there are none."""
    kind, steps = ours["method"]["kind"], ours["steps"]
    make = getattr(diffusers, SCHEDULERS[kind])
    # Karras' sigmas are as many as they should be, but between the ends of one too many.
    plain = make(**{name: value for name, value in theirs.items() if name != "use_karras_sigmas"})
    plain.set_timesteps(steps)
    if len(plain.timesteps) != steps:
        return ONE_TOO_MANY
    scheduler = make(**theirs)
    scheduler.set_timesteps(steps)
    if kind != "ddim":
        # Where it looks up its first timestep, and the second was rounded to the same, it would begin there.
        scheduler.set_begin_index(0)
    taken = iter(draws)
    scheduling_lcm.randn_tensor = lambda *_, **__: next(taken)
    x, states = noise * scheduler.init_noise_sigma, []
    for i, t in enumerate(scheduler.timesteps):
        seen, given = scheduler.scale_model_input(x, t), {}
        if kind == "ddim":
            scheduler.num_inference_steps = told(scheduler, i, steps)
            given = {"eta": ours["method"]["eta"], "variance_noise": draws[i]}
        states.append(seen)
        x = scheduler.step(predict(seen, t), t, x, **given).prev_sample
    states = torch.stack([*states, x])
    if kind == "ddim" and ours["method"]["eta"] == 1 and theirs["rescale_betas_zero_snr"] and states.isnan().any():
        return NOT_FINITE
    return states


def sampler(case, random):
    """Runs of combinations, each with numbers of its own; a formula stands in for the network.

    Theirs run in 64-bit floats, which they are tricked into: in 32 they lose digits where sigmas are in the thousands."""
    shape = (2, 3, case.frames, *case.size)
    # A strong pull would make of every rounding another run.
    inputs = {"noise": normal(random, *shape), "data": normal(random, *shape), "pull": normal(random, *shape, scale=0.5),
              "draws": normal(random, MOST_STEPS, *shape)}
    noise, data, pull, draws = (tensor.double() for tensor in inputs.values())
    predict = lambda x, t: pull * torch.tanh(x) + data * (float(t) / 1000)
    every, cases, found = combinations(random), [], {}
    for of in every[:case.runs]:
        ours, theirs = drawn(of, random)
        name = f"{len(cases)}.steps={ours['steps']}." + ".".join(f"{name}={value}" for name, value in of.items())
        with mock.patch.object(torch, "float32", torch.float64), mock.patch.object(numpy, "float32", numpy.float64):
            states = run(ours, theirs, noise, draws, predict)
        if isinstance(states, str):
            print(f"left out, {name}: {states}")
            continue
        cases.append({"name": name} | ours)
        found[name] = states
    print(f"{len(cases)} of {len(every)} combinations")
    return {"cases": cases}, {}, inputs, found
