"""diffusers' discrete schedulers over whole trajectories, their timesteps, levels and noising, and
the guidance rescale of its pipelines. A formula that the test repeats stands in for the network."""

import sys, pathlib

sys.path.insert(0, str(pathlib.Path(__file__).parents[1]))
import torch
from diffusers import (
    DDIMScheduler,
    DPMSolverMultistepScheduler,
    EulerDiscreteScheduler,
    LCMScheduler,
)
from diffusers.pipelines.stable_diffusion.pipeline_stable_diffusion import rescale_noise_cfg
from diffusers.schedulers import scheduling_lcm
from fixture import generator, normal, save

SHAPE = (2, 1, 1, 2, 2)
SPACINGS = {"trailing": {}, "leading": {"steps_offset": 1}, "linspace": {}}
TARGETS = {"epsilon": "epsilon", "v": "v_prediction", "sample": "sample"}
RANGE = {"beta_start": 0.00085, "beta_end": 0.012}
SCHEDULES = {
    "linear": RANGE | {"beta_schedule": "linear"},
    "scaled_linear": RANGE | {"beta_schedule": "scaled_linear"},
    "cosine": {"beta_schedule": "squaredcos_cap_v2"},
}
SCHEDULES |= {f"{n}_zero": s | {"rescale_betas_zero_snr": True} for n, s in SCHEDULES.items()}
# Zero terminal SNR says nothing of data that is told by its noise.
COMBINATIONS = [
    (s, t) for s in SCHEDULES for t in TARGETS if not (s.endswith("_zero") and t == "epsilon")
]

random = generator(3)
noise, data, pull = (normal(random, *SHAPE) for _ in range(3))
draws = normal(random, 25, *SHAPE)
found = {"noise": noise, "data": data, "pull": pull, "draws": draws}


def spaced(spacing):
    return SPACINGS[spacing] | {"timestep_spacing": spacing}


def predict(x, t):
    """The stand-in."""
    return pull * torch.tanh(x) + data * (float(t) / 1000)


def run(name, scheduler, steps=None, timesteps=None, **given):
    """States as the network sees them, and the end."""
    scheduler.set_timesteps(steps, **({} if timesteps is None else {"timesteps": timesteps}))
    x, states = noise * scheduler.init_noise_sigma, []
    for i, t in enumerate(scheduler.timesteps):
        seen = scheduler.scale_model_input(x, t)
        states.append(seen)
        keywords = {k: f(i) for k, f in given.items()}
        x = scheduler.step(predict(seen, t), t, x, **keywords).prev_sample
    found[f"{name}.states"] = torch.stack([*states, x])
    found[f"{name}.times"] = scheduler.timesteps.to(torch.float64)


def ddim():
    for schedule, target in COMBINATIONS:
        options = SCHEDULES[schedule] | {"prediction_type": TARGETS[target], "clip_sample": False}
        for spacing, steps in (("trailing", 1), ("trailing", 4), ("trailing", 25), ("leading", 10)):
            scheduler = DDIMScheduler(**options, **spaced(spacing))
            run(f"ddim.{spacing}.{steps}.{schedule}.{target}", scheduler, steps)
        # Here DDIMScheduler steps back by another stride than its timesteps have; DPM-Solver of first
        # order is DDIM, and takes the timesteps. It has no zero terminal SNR, only nearly.
        if schedule.endswith("_zero"):
            continue
        for spacing, steps in (("trailing", 7), ("linspace", 10)):
            counter = DDIMScheduler(**spaced(spacing))
            counter.set_timesteps(steps)
            plain = {k: v for k, v in options.items() if k != "clip_sample"}
            scheduler = DPMSolverMultistepScheduler(**plain, solver_order=1)
            name = f"ddim.{spacing}.{steps}.{schedule}.{target}"
            run(name, scheduler, timesteps=counter.timesteps.tolist())
    for target in ("v", "sample"):
        options = SCHEDULES["linear_zero"] | {"prediction_type": TARGETS[target]}
        for eta in (0.5, 1.0):
            scheduler = DDIMScheduler(**options, **spaced("trailing"), clip_sample=False)
            given = {"eta": lambda i: eta, "variance_noise": lambda i: draws[i]}
            run(f"ddim.eta_{eta}.{target}", scheduler, 10, **given)
        scheduler = DDIMScheduler(**options, **spaced("trailing"), clip_sample_range=0.5)
        run(f"ddim.clip.{target}", scheduler, 10)
        options = SCHEDULES["scaled_linear"] | {"prediction_type": TARGETS[target]}
        scheduler = DDIMScheduler(
            **options, **spaced("leading"), clip_sample=False, set_alpha_to_one=False
        )
        run(f"ddim.alpha_0.{target}", scheduler, 10)


def in_sigma():
    cases = [("trailing", 1), ("trailing", 4), ("trailing", 25), ("leading", 10), ("linspace", 10)]
    for schedule, target in COMBINATIONS:
        options = SCHEDULES[schedule] | {"prediction_type": TARGETS[target]}
        for name, make in (("euler", EulerDiscreteScheduler), ("dpm", DPMSolverMultistepScheduler)):
            for spacing, steps in cases:
                scheduler = make(**options, **spaced(spacing))
                run(f"{name}.{spacing}.{steps}.{schedule}.{target}", scheduler, steps)
            # With the cosine the reference cuts timesteps off instead of rounding them.
            if not schedule.startswith("cosine") or name == "euler":
                scheduler = make(**options, **spaced("trailing"), use_karras_sigmas=True)
                run(f"{name}.karras.10.{schedule}.{target}", scheduler, 10)


def lcm_run(name, steps, options):
    taken = iter(draws)
    scheduling_lcm.randn_tensor = lambda shape, **_: next(taken)
    run(name, LCMScheduler(**options), steps)


def lcm():
    for schedule, target in COMBINATIONS:
        options = SCHEDULES[schedule] | {"prediction_type": TARGETS[target]}
        for steps in (1, 4, 10, 25):
            lcm_run(f"lcm.any.{steps}.{schedule}.{target}", steps, options)
    for target in ("v", "sample"):
        options = SCHEDULES["scaled_linear"] | {"prediction_type": TARGETS[target]}
        options |= {"original_inference_steps": 40, "timestep_scaling": 0.01}
        lcm_run(f"lcm.boundary.{target}", 6, options)


def all_timesteps():
    """A number for each count of steps that changes with every timestep: sum of (i + 1)·t modulo a
    prime."""
    makes = {
        "ddim": (DDIMScheduler, 1000),
        "euler": (EulerDiscreteScheduler, 1000),
        "dpm": (DPMSolverMultistepScheduler, 998),
    }
    for name, (make, most) in makes.items():
        for spacing in SPACINGS:
            if (name, spacing) == ("euler", "linspace"):
                continue  # not whole
            sums = []
            scheduler = make(**spaced(spacing))
            for steps in range(1, most + 1):
                if spacing == "leading" and steps > 499:
                    break
                scheduler.set_timesteps(steps)
                # For some counts the reference has one timestep too many, −1, by rounding.
                times = [int(t) for t in scheduler.timesteps][:steps]
                sums.append(sum((i + 1) * t for i, t in enumerate(times)) % 65521)
            found[f"sums.{name}.{spacing}"] = torch.tensor(sums)
    scheduler, sums = LCMScheduler(), []
    for steps in range(1, 51):
        scheduler.set_timesteps(steps)
        sums.append(sum((i + 1) * int(t) for i, t in enumerate(scheduler.timesteps)) % 65521)
    found["sums.lcm.any"] = torch.tensor(sums)


def levels():
    times = torch.tensor([0, 1, 2, 100, 333, 500, 750, 900, 990, 998, 999])
    found["levels.times"] = times
    for name, options in SCHEDULES.items():
        scheduler = DDIMScheduler(**options)
        found[f"levels.{name}"] = scheduler.alphas_cumprod[times]
        rows = torch.tensor([998, 17])
        found[f"noised.{name}"] = scheduler.add_noise(data, noise, rows)
        found[f"velocity.{name}"] = scheduler.get_velocity(data, noise, rows)


def rescale():
    guided, conditional = normal(random, 2, 3, 2, 2, 2, scale=4.0), normal(random, 2, 3, 2, 2, 2)
    found["rescale.guided"], found["rescale.conditional"] = guided, conditional
    for phi in (0.7, 1.0):
        found[f"rescale.{phi}"] = rescale_noise_cfg(guided, conditional, phi)


ddim()
in_sigma()
lcm()
all_timesteps()
levels()
rescale()
save(__file__, found)
