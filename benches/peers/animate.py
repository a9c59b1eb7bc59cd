"""PyTorch's side of `animate` in benches/compare.sh: all networks of the main job with the nano weights,
on the picture, token ids, noise and masks that crates/thrumask/examples/compare_animate.rs wrote. Checks
that what each network makes is the same to 1e-3, then times them all in turn.

    python benches/peers/animate.py FILE
"""

import json
import sys

import torch
import torch.nn.functional as F

from dit import Dit, object_masks, waves
from layers import Layers, key_mask, rope_table
from shared import Memory, read, same, timed

MODELS = "models/nano"

# What is left of the noise at the end of the path.
SIGMA = 1e-5


class Text(Layers):
    """The text encoder: token ids [B, L] to [B, L, D]."""

    def __init__(self, tensors, config):
        super().__init__(tensors, "text.", config["heads"])
        self.depth = config["depth"]

    def __call__(self, ids, mask):
        x = self.p["words"][ids] + self.p["positions"][: ids.shape[1]]
        for i in range(self.depth):
            x = self.plain_block(f"blocks.{i}", x, mask)
        return self.norm("norm", x)


class Autoencoder(Layers):
    def __init__(self, tensors, config):
        super().__init__(tensors, "")
        self.config = config

    def encode(self, pixels):
        """[B, 3, T, H, W] to [B, C, T', H', W']."""
        f, p = self.config["frames"], self.config["patch"]
        batch, _, frames, height, width = pixels.shape
        t, h, w = frames // f, height // p, width // p
        x = pixels.view(batch, 3, t, f, h, p, w, p).permute(0, 2, 4, 6, 1, 3, 5, 7)
        x = self.linear("encoder_up", x.reshape(batch, t * h * w, -1))
        x = self.linear("encoder_down", F.gelu(x, approximate="tanh"))
        x = (x - self.p["latent_mean"]) / self.p["latent_std"]
        return x.transpose(1, 2).reshape(batch, -1, t, h, w)

    def decode(self, latents):
        """[B, C, T', H', W'] to [B, 3, T, H, W]."""
        f, p = self.config["frames"], self.config["patch"]
        batch, channels, t, h, w = latents.shape
        x = latents.permute(0, 2, 3, 4, 1) * self.p["latent_std"] + self.p["latent_mean"]
        x = self.linear("decoder_in", x.view(batch * t, h * w, channels))
        x = x.transpose(1, 2).reshape(batch * t, -1, h, w)
        for i in range(self.config["decoder_blocks"]):
            inner = self.conv(f"decoder.{i}.first", F.silu(x))
            x = x + self.conv(f"decoder.{i}.second", F.silu(inner))
        x = self.linear("decoder_out", F.silu(x.flatten(2).transpose(1, 2)))
        x = x.view(batch, t, h, w, 3, f, p, p).permute(0, 4, 1, 5, 2, 6, 3, 7)
        return x.reshape(batch, 3, t * f, h * p, w * p)

    def conv(self, name, x):
        return F.conv2d(x, self.p[name + ".weight"], self.p[name + ".bias"], padding=1)


class Segmenter(Layers):
    """A picture and one text for each object: mask logits [1, S, H, W] and presence [1, S]."""

    def __init__(self, tensors, config):
        super().__init__(tensors, "", config["heads"])
        self.config, self.text = config, Text(tensors, config["text"])
        grid = config["size"] // (config["cell"] * config["merge"])
        self.rope = rope_table(config["rotary"], [1, grid, grid])
        # What a cell sees, block by block, as a convolution in steps of a cell.
        cell, reach = config["cell"], config["reach"]
        seen = self.p["cell.weight"].view(-1, reach, reach, 3, cell, cell)
        seen = seen.permute(0, 3, 1, 4, 2, 5)
        self.p["cell.weight"] = seen.reshape(-1, 3, reach * cell, reach * cell)

    def __call__(self, picture, ids, mask):
        c, p = self.config, self.p
        cell, merge, size = c["cell"], c["merge"], c["size"]
        grid = size // (cell * merge)
        queries = self.linear("query", self.text(ids, mask)[None, :, 0])
        margin = (c["reach"] - 1) * cell // 2
        seen = F.conv2d(picture, p["cell.weight"], p["cell.bias"], stride=cell, padding=margin)
        # The cells of a token are neighbours.
        seen = seen.view(1, -1, grid, merge, grid, merge).permute(0, 2, 4, 3, 5, 1)
        seen = seen.reshape(1, (grid * merge) ** 2, -1)
        cells = seen + self.mlp("cell_mlp", self.norm("cell_norm", seen))
        image = self.linear("token", cells.view(1, grid * grid, -1)) + self.places()
        for i in range(c["image_blocks"]):
            image = self.plain_block(f"image_blocks.{i}", image, rope=self.rope)
        for i in range(c["fusion_blocks"]):
            image, queries = self.fuse(f"fusion_blocks.{i}.", image, queries)
        queries = queries + self.attend("look", self.norm("look_norm", queries), image)
        queries = self.norm("query_norm", queries)
        presence = self.linear("presence", queries).flatten(1).sigmoid()
        split = self.linear("split", self.norm("image_norm", image))
        fine = cells + split.view(cells.shape)
        for i in range(2):
            fine = fine + self.mlp(f"fine_mlps.{i}", self.norm(f"fine_norms.{i}", fine))
        features = self.linear("pixel", self.norm("pixel_norm", fine))
        features = features.view(1, -1, c["mask_channels"])
        hidden = F.gelu(self.linear("embedding_up", queries), approximate="tanh")
        masks = self.linear("embedding", hidden) @ features.transpose(1, 2)
        masks = masks / c["mask_channels"] ** 0.5 + p["mask_bias"]
        masks = masks.view(-1, grid, grid, merge, merge, cell, cell).permute(0, 1, 3, 5, 2, 4, 6)
        return masks.reshape(1, -1, size, size), presence

    def fuse(self, name, image, queries):
        """Objects are marked on the picture, look at each other and at it; then it looks at itself."""
        part, p = name + "mark.", self.p
        query = self.linear(part + "query", self.norm(part + "query_norm", queries))
        key = self.linear(part + "image", self.norm(part + "image_norm", image))
        logits = query @ key.transpose(1, 2) / query.shape[-1] ** 0.5 + p[part + "bias"]
        marks = logits.sigmoid().transpose(1, 2) @ self.linear(part + "value", queries)
        image = image + self.linear(part + "output", marks)
        h = self.norm(name + "object_norm", queries)
        queries = queries + self.attend(name + "objects", h, h)
        h = self.norm(name + "look_norm", queries)
        queries = queries + self.attend(name + "look", h, image)
        queries = queries + self.mlp(name + "mlp", self.norm(name + "mlp_norm", queries))
        return self.plain_block(name + "image", image, rope=self.rope), queries


class Stage:
    """Stage 1 or 2: its text encoder, its denoiser, and how it is sampled."""

    def __init__(self, name, sampling):
        tensors, meta = read(f"{MODELS}/{name}.safetensors")
        config = json.loads(meta["config"])
        assert config["prediction"] == "sample" and sampling["schedule"]["kind"] == "shifted"
        assert sampling["guidance"] == {"image": 1.0, "text": 1.0}
        self.text, self.dit = Text(tensors, config["text"]), Dit(tensors, config["denoiser"])
        steps, shift = sampling["steps"], sampling["schedule"]["shift"]
        left = [1 - i / steps for i in range(steps + 1)]
        self.times = [1 - shift * u / (1 + (shift - 1) * u) for u in left]

    def sample(self, noise, io):
        """Euler steps from noise to data along the times."""
        x, io = noise, {**io, "kept": {}}
        for t, following in zip(self.times, self.times[1:]):
            data = self.dit({**io, "latents": x, "waves": waves(torch.tensor([t]))})
            start = (x - t * data) / (1 - (1 - SIGMA) * t)
            x = x + (following - t) * (data - (1 - SIGMA) * start)
        return x


def texts(tensors, name):
    """Token ids [B, L], and the mask of their keys."""
    ids = tensors[name + ".ids"].long()
    return ids, key_mask(tensors[name + ".lengths"], ids.shape[1])


class Job:
    """Everything loaded, and all masks made, before the clock starts."""

    def __init__(self, tensors, meta):
        load = lambda name: read(f"{MODELS}/{name}.safetensors")
        of = lambda kind, loaded: kind(loaded[0], json.loads(loaded[1]["config"]))
        self.autoencoder = of(Autoencoder, load("autoencoder"))
        self.segmenter = of(Segmenter, load("segmenter"))
        self.motion = Stage("motion", json.loads(meta["motion"]))
        self.video = Stage("video", json.loads(meta["video"]))
        self.given = tensors
        self.texts = {n: texts(tensors, n) for n in ("names", "motion", "caption", "prompts")}
        lengths = tensors["prompts.lengths"].view(1, -1)
        groups, visible = tensors["groups"].view(1, -1), tensors["visible"].unsqueeze(0)
        padded = self.texts["prompts"][0].shape[1]
        self.masks = object_masks(groups, visible, lengths, padded)

    def __call__(self):
        given, encode, decode = self.given, self.autoencoder.encode, self.autoencoder.decode
        picture, frames = given["picture"], self.motion.dit.config["latent_size"][0]
        repeated = lambda pixels: encode(pixels).expand(-1, -1, frames, -1, -1)

        masks, presence = self.segmenter(picture[:, :, 0], *self.texts["names"])

        ids, mask = self.texts["motion"]
        io = {"text": self.motion.text(ids, mask), "text_mask": mask}
        io["conditions"] = torch.cat([repeated(picture), repeated(given["first_masks"])], 1)
        motion = self.motion.sample(given["motion.noise"], io)
        mask_video = decode(motion)

        ids, mask = self.texts["caption"]
        io = {"text": self.video.text(ids, mask), "text_mask": mask, **self.masks}
        io["prompts"] = self.video.text(*self.texts["prompts"]).flatten(0, 1)[None]
        io["conditions"] = torch.cat([repeated(given["seen"]), encode(given["trajectory"])], 1)
        video = self.video.sample(given["video.noise"], io)
        return {
            "segmenter": masks,
            "presence": presence,
            "motion.latents": motion,
            "mask_video": mask_video,
            "video.latents": video,
            "video": decode(video),
        }


def main():
    torch.set_num_threads(2)
    tensors, meta = read(sys.argv[1])
    job = Job(tensors, meta)
    memory = Memory()
    with torch.inference_mode():
        errors = [same(name, found, tensors[name]) for name, found in job().items()]
        forward = timed(2, job)
    line = {"name": meta["name"], "forward": forward, "both": [], "errors": errors}
    print(json.dumps({**line, "extra_mib": memory.extra(), "peak_mib": memory.peak()}))


main()
