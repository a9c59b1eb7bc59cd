"""diffusers' FlowMatchEulerDiscreteScheduler over whole trajectories, and the linear-quadratic
schedule of its Mochi pipeline. A formula that the test repeats stands in for the network."""

import sys, pathlib

sys.path.insert(0, str(pathlib.Path(__file__).parents[1]))
import numpy
import torch
from diffusers import FlowMatchEulerDiscreteScheduler
from diffusers.pipelines.mochi.pipeline_mochi import linear_quadratic_schedule
from fixture import generator, normal, save

SHAPE = (2, 3, 2, 2, 2)


def sample(sigmas, shift, predict, noise):
    scheduler = FlowMatchEulerDiscreteScheduler(shift=shift)
    scheduler.set_timesteps(sigmas=sigmas)
    x = noise
    for i, timestep in enumerate(scheduler.timesteps):
        x = scheduler.step(predict(x, scheduler.sigmas[i]), timestep, x).prev_sample
    return scheduler.sigmas, x


def main():
    random = generator(1)
    noise, data, pull = (normal(random, *SHAPE) for _ in range(3))
    # The scheduler's velocity points from data to noise, and its sigma is 1 - t.
    velocity = lambda x, sigma: -(pull * torch.tanh(x) + (1 - sigma) * data)
    clean = lambda x, sigma: (x - (data + 0.1 * torch.sin(x))) / sigma
    found = {"noise": noise, "data": data, "pull": pull}
    for shift, steps in ((1, 5), (3, 8), (16, 4), (16, 50)):
        # As the pipelines of Flux and Wan call it.
        sigmas = numpy.linspace(1.0, 1 / steps, steps)
        name = f"shift_{shift}.steps_{steps}"
        found[f"{name}.sigmas"], found[f"{name}.velocity"] = sample(sigmas, shift, velocity, noise)
        found[f"{name}.sample"] = sample(sigmas, shift, clean, noise)[1]
    for steps, emulated in ((50, 250), (7, 30), (2, 8)):
        threshold = (steps // 2) / emulated
        sigmas = linear_quadratic_schedule(steps, threshold)
        name = f"quadratic.steps_{steps}.emulated_{emulated}"
        found[f"{name}.sigmas"], found[f"{name}.velocity"] = sample(sigmas, 1, velocity, noise)
    save(__file__, found)


main()
