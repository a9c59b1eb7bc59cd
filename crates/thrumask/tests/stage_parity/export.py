"""Makes fixture.safetensors: stage 1 on tiny networks, with diffusers 0.42 and transformers 5.23.

    STAGE_PARITY=/tmp/stage cargo test --release -p thrumask --test stage_parity -- --ignored
    python crates/thrumask/tests/stage_parity/export.py /tmp/stage
"""

import json
import sys
from pathlib import Path

import torch
from diffusers import AutoencoderKL, DDIMScheduler, UNetMotionModel
from safetensors import safe_open
from safetensors.torch import load_file, save_file
from transformers import CLIPTextModel, CLIPTokenizer

EVERY, SCALE, STEPS = 8, 3.0, 8

folder = Path(sys.argv[1])
inputs = load_file(folder / "inputs.safetensors")
prompt = safe_open(folder / "inputs.safetensors", "pt").metadata()["prompt"]
vae = AutoencoderKL.from_pretrained(folder / "vae", torch_dtype=torch.float32).eval()
text = CLIPTextModel.from_pretrained(folder / "text_encoder", torch_dtype=torch.float32).eval()
tokenizer = CLIPTokenizer.from_pretrained(folder / "tokenizer", model_max_length=77)
tokenizer.pad_token = tokenizer.eos_token  # as Stable Diffusion 1 has it

config = json.loads((folder / "motion/config.json").read_text())["denoiser"]
down = [f"{'CrossAttn' if a else ''}DownBlockMotion" for a in config["attention"]]
up = [f"{'CrossAttn' if a else ''}UpBlockMotion" for a in reversed(config["attention"])]
unet = UNetMotionModel(
    in_channels=config["latent_channels"] + config["condition_channels"],
    out_channels=config["latent_channels"],
    down_block_types=down,
    up_block_types=up,
    block_out_channels=config["channels"],
    layers_per_block=config["layers"],
    norm_num_groups=config["norm_groups"],
    cross_attention_dim=config["text_width"],
    num_attention_heads=config["heads"],
    motion_num_attention_heads=config["motion"]["heads"],
    motion_max_seq_length=config["motion"]["max_frames"],
    use_motion_mid_block=config["motion"]["middle"],
).eval()
weights = load_file(folder / "motion/diffusion_pytorch_model.safetensors")
report = unet.load_state_dict({name: value.float() for name, value in weights.items()}, strict=False)
assert not report.unexpected_keys and all("pos_embed.pe" in k for k in report.missing_keys), report

scheduler = DDIMScheduler(
    beta_start=0.00085,
    beta_end=0.012,
    beta_schedule="linear",
    prediction_type="v_prediction",
    rescale_betas_zero_snr=True,
    timestep_spacing="trailing",
    clip_sample=False,
)
scheduler.set_timesteps(STEPS)


def encode(video):
    """[1, 3, 1, H, W] to the mean of its latents, over as many frames as the noise has."""
    mean = vae.encode(video[:, :, 0]).latent_dist.mean * vae.config.scaling_factor
    return mean[:, :, None].expand_as(inputs["noise"])


def embed(words):
    ids = tokenizer(words, padding="max_length", truncation=True, return_tensors="pt").input_ids
    return text(ids).last_hidden_state.repeat_interleave(inputs["noise"].shape[2], 0)


with torch.no_grad():
    conditions = [encode(inputs["picture"]), encode(inputs["masks"])]
    told, silent = embed(prompt), embed("")
    latents = inputs["noise"]
    for time in scheduler.timesteps:
        seen = torch.cat([latents, *conditions], 1)
        guided, free = (unet(seen, time, words).sample for words in (told, silent))
        latents = scheduler.step(free + SCALE * (guided - free), time, latents).prev_sample
    decoded = [vae.decode(z / vae.config.scaling_factor).sample for z in latents.unbind(2)]
    frames = torch.stack(decoded, 2)[..., ::EVERY, ::EVERY]

out = Path(__file__).with_name("fixture.safetensors")
save_file({"latents": latents.contiguous(), "frames": frames.contiguous()}, out)
print(f"{out}: {out.stat().st_size} bytes, latents of deviation {latents.std():.3f}")
