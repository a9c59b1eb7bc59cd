"""Every tensor of the public full-size networks: names in each layout, and shapes, from the reference
classes on torch's meta device. The layouts of single files are spelled out here from their public
definition, and diffusers' own converters are asked whether they lead to the names of its folders. For SAM 2
the original classes are asked too, whether they have these tensors and make the same of them; those of
Grounding DINO tell the names of its files.

    python export.py [--sam2 CHECKOUT] [--grounding-dino CHECKOUT]

(of facebookresearch/sam2 and IDEA-Research/GroundingDINO; without them, these are left as they are)"""

import argparse, importlib.util, json, pathlib, sys

import torch
from diffusers import AutoencoderKL, MotionAdapter, UNet2DConditionModel
from diffusers.loaders.single_file_utils import convert_ldm_vae_checkpoint, convert_ldm_clip_checkpoint
from transformers import CLIPTextConfig, CLIPTextModel, Sam2VideoConfig, Sam2VideoModel

FOLDER = pathlib.Path(__file__).parent
sys.path.insert(0, str(FOLDER.parent / "unet"))
from export import animatediff_names, ldm_names
sys.path.insert(0, str(FOLDER.parent / "sam2"))
from original import build, transformers_names

CHANNELS, BLOCKS = (128, 256, 512, 512), 2
DOWN, UP = ["DownEncoderBlock2D"] * 4, ["UpDecoderBlock2D"] * 4


def write(name, rows):
    """Rows of a name in each layout, and the shape."""
    lines = ",\n".join(json.dumps(row, separators=(",", ":")) for row in sorted(rows))
    (FOLDER / name).write_text(f"[\n{lines}\n]\n")
    print(name, len(rows), "tensors", sum(torch.Size(row[-1]).numel() for row in rows), "parameters")


def original_vae(levels, blocks):
    """Paths of the modules of the original autoencoder, each with that of diffusers."""
    found = {n: n for n in ("quant_conv", "post_quant_conv")}
    for half, side, count in (("encoder", "down", blocks), ("decoder", "up", blocks + 1)):
        found |= {f"{half}.conv_in": f"{half}.conv_in", f"{half}.conv_out": f"{half}.conv_out",
                  f"{half}.norm_out": f"{half}.conv_norm_out"}
        resample = {"down": ("downsample", "downsamplers"), "up": ("upsample", "upsamplers")}[side]
        for level in range(levels):
            public = level if side == "down" else levels - 1 - level
            for block in range(count):
                for a, b in (("norm1",) * 2, ("conv1",) * 2, ("norm2",) * 2, ("conv2",) * 2,
                             ("nin_shortcut", "conv_shortcut")):
                    found[f"{half}.{side}.{level}.block.{block}.{a}"] = \
                        f"{half}.{side}_blocks.{public}.resnets.{block}.{b}"
            found[f"{half}.{side}.{level}.{resample[0]}.conv"] = \
                f"{half}.{side}_blocks.{public}.{resample[1]}.0.conv"
        for block in (1, 2):
            for part in ("norm1", "conv1", "norm2", "conv2"):
                found[f"{half}.mid.block_{block}.{part}"] = f"{half}.mid_block.resnets.{block - 1}.{part}"
        for a, b in (("norm", "group_norm"), ("q", "to_q"), ("k", "to_k"), ("v", "to_v"),
                     ("proj_out", "to_out.0")):
            found[f"{half}.mid.attn_1.{a}"] = f"{half}.mid_block.attentions.0.{b}"
    return found


def deprecated(name):
    """The name of a diffusers folder from before version 0.18."""
    for new, old in (("to_q", "query"), ("to_k", "key"), ("to_v", "value"), ("to_out.0", "proj_attn")):
        name = name.replace(f"attentions.0.{new}.", f"attentions.0.{old}.")
    return name


def vae():
    with torch.device("meta"):
        kl = AutoencoderKL(down_block_types=DOWN, up_block_types=UP, block_out_channels=CHANNELS,
                           layers_per_block=BLOCKS, latent_channels=4, norm_num_groups=32)
    state = kl.state_dict()
    to_diffusers, rows = original_vae(len(CHANNELS), BLOCKS), []
    for original, public in to_diffusers.items():
        for leaf in ("weight", "bias"):
            if (tensor := state.get(f"{public}.{leaf}")) is None:
                continue
            shape = list(tensor.shape)
            # There, attention is made of 1x1 convolutions.
            wide = shape + [1, 1] if ".attn_1." in original and len(shape) == 2 else shape
            name = f"{public}.{leaf}"
            rows.append([name, deprecated(name), f"{original}.{leaf}", wide, shape])
    assert {row[0] for row in rows} == set(state)
    # diffusers finds the same tensors by the original names, and reads the older ones of its own.
    of = {f"first_stage_model.{row[2]}": torch.full([1] * len(row[3]), float(i)).expand(row[3])
          for i, row in enumerate(rows)}
    found = convert_ldm_vae_checkpoint(of, {"down_block_types": DOWN, "up_block_types": UP})
    assert set(found) == set(state), set(found) ^ set(state)
    for i, row in enumerate(rows):
        tensor = found[row[0]]
        assert list(tensor.shape) == row[4] and tensor.flatten()[0] == i, row
    older = {row[1]: i for i, row in enumerate(rows)}
    kl._fix_state_dict_keys_on_load(older)
    assert older == {row[0]: i for i, row in enumerate(rows)}
    write("vae.json", rows)


def clip():
    with torch.device("meta"):
        model = CLIPTextModel(CLIPTextConfig(
            hidden_size=768, intermediate_size=3072, num_hidden_layers=12, num_attention_heads=12))
    rows = [[f"text_model.{n}", f"cond_stage_model.transformer.text_model.{n}", list(t.shape)]
            for n, t in model.state_dict().items()]
    single = {row[1]: torch.full([1], float(i)) for i, row in enumerate(rows)}
    found = convert_ldm_clip_checkpoint(single, remove_prefix="cond_stage_model.transformer.")
    assert {n: t.item() for n, t in found.items()} == {row[0]: i for i, row in enumerate(rows)}
    write("clip_l_text.json", rows)


def unet():
    """Stable Diffusion 1.5's U-Net; motion modules of AnimateDiff V3."""
    with torch.device("meta"):
        net = UNet2DConditionModel(cross_attention_dim=768)
        adapter = MotionAdapter(use_motion_mid_block=False, motion_max_seq_length=32)
    names = ldm_names(net.state_dict(), dict(layers=2, channels=(320, 640, 1280, 1280), attention=(1, 1, 1, 0)))
    write("unet.json", [[n, names[n], list(t.shape)] for n, t in net.state_dict().items()])
    # Tables of positions are no parameters, and AnimateDiff's files name them otherwise.
    state = {n: t for n, t in adapter.state_dict().items() if not n.endswith("pos_embed.pe")}
    names = animatediff_names(state)
    write("motion.json", [[n, names[n], list(t.shape)] for n, t in state.items()])



def sam2_rows(original, transformers):
    """Name in transformers, name in the original files, shape in each. Of the kinds of points there are four
    tensors in one of the layouts, of the places of points two in the other."""
    return [[name, old, list(transformers[name].shape), list(tensor.shape)]
            for old, tensor in original.items() for name in transformers_names(old)]


def sam2_config(side=1024, **backbone):
    vision = dict(model_type="sam2_vision_model", backbone_config=dict(
        model_type="sam2_hiera_det_model", image_size=[side, side], **backbone))
    if widths := backbone.get("embed_dim_per_stage"):
        vision["backbone_channel_list"] = widths[::-1]
    vision["backbone_feature_sizes"] = [[side // n] * 2 for n in (4, 8, 16)]
    return Sam2VideoConfig(image_size=side, vision_config=vision, prompt_encoder_config=dict(image_size=side),
                           memory_attention_rope_feat_sizes=[side // 16] * 2)


def sam2(checkout):
    """SAM 2.1 tiny and large."""
    large = dict(hidden_size=144, blocks_per_stage=[2, 6, 36, 4], embed_dim_per_stage=[144, 288, 576, 1152],
                 num_attention_heads_per_stage=[2, 4, 8, 16], window_size_per_stage=[8, 4, 16, 8],
                 global_attention_blocks=[23, 33, 43])
    for name, size, backbone in (("tiny", "t", {}), ("large", "l", large)):
        with torch.device("meta"):
            state = Sam2VideoModel(sam2_config(**backbone)).state_dict()
        original = build(checkout, size).state_dict()
        rows = sam2_rows(original, state)
        assert {row[0] for row in rows} == set(state)
        same = [r for r in rows if "point_embed." not in r[0]]
        assert all(row[2] == row[3] for row in same), [r for r in same if r[2] != r[3]]
        write(f"sam2_{name}.json", rows)
    sam2_agrees(checkout)


@torch.no_grad()
def sam2_agrees(checkout, side=256):
    """The original with random weights, and transformers' with the same by these names, make the same masks."""
    torch.manual_seed(1)
    original, public = build(checkout, "t", side), Sam2VideoModel(sam2_config(side)).eval()
    for tensor in original.state_dict().values():
        tensor.copy_(torch.randn_like(tensor) / max(tensor[..., :].numel() // tensor.shape[0], 1) ** 0.5)
    state = {}
    for old, tensor in original.state_dict().items():
        for name in transformers_names(old):
            state[name] = torch.cat([state[name], tensor]) if "point_embed." in name and name in state else tensor
    public.load_state_dict(state)
    pixels, points = torch.randn(1, 3, side, side), torch.rand(1, 1, 2, 2) * side
    seen = original.forward_image(pixels)["backbone_fpn"]
    # The last of the two has no-memory added by whoever decodes.
    out = original._forward_sam_heads(seen[2], dict(point_coords=points[0], point_labels=torch.tensor([[1, 0]])),
                                      high_res_features=seen[:2], multimask_output=True)
    maps = [m.permute(1, 2, 0).unflatten(-1, size) for m, size in zip(
        public.get_image_features(pixels, return_dict=True).fpn_hidden_states, public.backbone_feature_sizes)]
    sparse, dense = public.prompt_encoder(points, torch.tensor([[[1, 0]]]), None, None)
    masks, iou, _, score = public.mask_decoder(
        image_embeddings=maps[2], image_positional_embeddings=public.get_image_wide_positional_embeddings(),
        sparse_prompt_embeddings=sparse, dense_prompt_embeddings=dense, multimask_output=True,
        high_resolution_features=maps[:2])
    present = score.reshape(-1) > 0
    print("SAM 2: is there an object:", present.tolist(), "masks of deviation", masks.std().item())
    for a, b in ((out[2], iou[0]), (out[6], score[0]), *zip(seen, maps)) + (((out[0], masks[0]),) if present else ()):
        apart = ((a - b).abs() / b.abs().clamp(min=1)).max()
        assert apart < 1e-3, apart


def grounding_dino(checkout):
    """Grounding DINO on Swin-T and Swin-B: names as transformers writes them, which its own table of renamed weights
    gives, and those of the original implementation, from its classes in a checkout of its repository. Of the larger
    one only what the smaller one does not have, or has otherwise."""
    spec = importlib.util.spec_from_file_location("dino_original", FOLDER.parent / "grounding_dino" / "original.py")
    original = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(original)
    from transformers import BertConfig, BertModel, GroundingDinoConfig, GroundingDinoForObjectDetection, SwinConfig
    from transformers.core_model_loading import revert_weight_conversion

    large = SwinConfig(embed_dim=128, depths=[2, 2, 18, 2], num_heads=[4, 8, 16, 32], window_size=12, image_size=384,
                       out_indices=[2, 3, 4])
    found = []
    for name, swin in (("GroundingDINO_SwinT_OGC", None), ("GroundingDINO_SwinB_cfg", large)):
        with torch.device("meta"):
            config = GroundingDinoConfig(backbone_config=swin) if swin else GroundingDinoConfig()
            net = GroundingDinoForObjectDetection(config)
            theirs, _ = original.build(checkout, name, BertModel(BertConfig()))
        states = revert_weight_conversion(net, net.state_dict()), theirs.state_dict()
        shapes = [{n: list(t.shape) for n, t in state.items()} for state in states]
        # Of transformers' file, tensors that are tied are written once.
        tied = lambda n: n.startswith("model.decoder.bbox_embed.") or n.startswith("bbox_embed.") and n[11] != "0"
        found.append([{n: s for n, s in shapes[0].items() if not tied(n)}, shapes[1]])
        print(name, [len(of) for of in found[-1]], "tensors", sum(p.numel() for p in net.parameters()), "parameters")
    for small, large in zip(*found):
        assert set(small) <= set(large)
        for name in [n for n, s in large.items() if small.get(n) == s]:
            del large[name]
    rows = [[size, layout, name, shape] for size, of in zip(("tiny", "base"), found)
            for layout, names in zip(("transformers", "original"), of) for name, shape in names.items()]
    write("grounding_dino.json", rows)


parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
parser.add_argument("--sam2", type=pathlib.Path)
parser.add_argument("--grounding-dino", type=pathlib.Path)
given = parser.parse_args()
if given.sam2:
    sam2(given.sam2)
if given.grounding_dino:
    grounding_dino(given.grounding_dino)
vae()
clip()
unet()
