"""torch.optim.AdamW with weight decay and clipping by the global norm, and the running average of
torch.optim.swa_utils, whose first update copies."""

import sys, pathlib

sys.path.insert(0, str(pathlib.Path(__file__).parents[1]))
import torch
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn
from fixture import generator, normal, randomise, save

STEPS, CLIP = 6, 3.0


def main():
    model = torch.nn.Linear(5, 3)
    randomise(model, 1)
    average = AveragedModel(model, multi_avg_fn=get_ema_multi_avg_fn(0.9))
    optimiser = torch.optim.AdamW(model.parameters(), lr=0.05, betas=(0.9, 0.95), eps=1e-8,
                                  weight_decay=0.1)
    flat = lambda m: torch.cat([p.detach().flatten() for p in m.parameters()])
    random = generator(2)
    found = {"start": flat(model)}
    gradients, norms, parameters, averages = [], [], [], []
    for step in range(STEPS):
        for p in model.parameters():
            # From small ones, which are not clipped, to large ones, which are.
            p.grad = normal(random, *p.shape, scale=0.2 * 2.0**step)
        gradients.append(torch.cat([p.grad.flatten() for p in model.parameters()]).clone())
        norms.append(torch.nn.utils.clip_grad_norm_(model.parameters(), CLIP))
        optimiser.step()
        average.update_parameters(model)
        parameters.append(flat(model))
        averages.append(flat(average.module))
    save(__file__, found | {"gradients": torch.stack(gradients), "norms": torch.stack(norms),
                            "parameters": torch.stack(parameters), "averages": torch.stack(averages)})


main()
