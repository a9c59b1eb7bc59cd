"""The original SAM 2.1 classes from a checkout of facebookresearch/sam2, without its libraries for
configurations and downloads, and the transformers' names of their tensors."""

import importlib, pathlib, re, sys, types

import torch
import yaml

# Each in the order of application; from the original names to those of transformers.
RULES = [(re.compile(a), b) for a, b in [
    (r"^image_encoder\.trunk\.patch_embed\.proj\.", "vision_encoder.backbone.patch_embed.projection."),
    (r"^image_encoder\.trunk\.", "vision_encoder.backbone."),
    (r"^image_encoder\.neck\.convs\.(\d+)\.conv\.", r"vision_encoder.neck.convs.\1."),
    (r"\.blocks\.(\d+)\.norm(\d)\.", r".blocks.\1.layer_norm\2."),
    (r"\.mlp\.layers\.0\.", ".mlp.proj_in."),
    (r"\.mlp\.layers\.1\.", ".mlp.proj_out."),
    (r"^sam_prompt_encoder\.pe_layer\.positional_encoding_gaussian_matrix",
     "prompt_encoder.shared_embedding.positional_embedding"),
    (r"^sam_prompt_encoder\.point_embeddings\.\d\.", "prompt_encoder.point_embed."),
    (r"^sam_prompt_encoder\.mask_downscaling\.0\.", "prompt_encoder.mask_embed.conv1."),
    (r"^sam_prompt_encoder\.mask_downscaling\.1\.", "prompt_encoder.mask_embed.layer_norm1."),
    (r"^sam_prompt_encoder\.mask_downscaling\.3\.", "prompt_encoder.mask_embed.conv2."),
    (r"^sam_prompt_encoder\.mask_downscaling\.4\.", "prompt_encoder.mask_embed.layer_norm2."),
    (r"^sam_prompt_encoder\.mask_downscaling\.6\.", "prompt_encoder.mask_embed.conv3."),
    (r"^sam_prompt_encoder\.", "prompt_encoder."),
    (r"^sam_mask_decoder\.output_upscaling\.0\.", "mask_decoder.upscale_conv1."),
    (r"^sam_mask_decoder\.output_upscaling\.1\.", "mask_decoder.upscale_layer_norm."),
    (r"^sam_mask_decoder\.output_upscaling\.3\.", "mask_decoder.upscale_conv2."),
    (r"^sam_mask_decoder\.", "mask_decoder."),
    (r"\.norm_final_attn\.", ".layer_norm_final_attn."),
    (r"(transformer|memory_attention)\.layers\.(\d)\.norm(\d)\.", r"\1.layers.\2.layer_norm\3."),
    (r"\.out_proj\.(weight|bias)$", r".o_proj.\1"),
    (r"^obj_ptr_proj\.", "object_pointer_proj."),
    (r"(mlps\.\d|_head|pointer_proj)\.layers\.0\.", r"\1.proj_in."),
    (r"(mlps\.\d|_head|pointer_proj)\.layers\.1\.", r"\1.layers.0."),
    (r"(mlps\.\d|_head|pointer_proj)\.layers\.2\.", r"\1.proj_out."),
    (r"^no_mem_embed$", "no_memory_embedding"),
    (r"^no_mem_pos_enc$", "no_memory_positional_encoding"),
    (r"^maskmem_tpos_enc$", "memory_temporal_positional_encoding"),
    (r"^no_obj_ptr$", "no_object_pointer"),
    (r"^no_obj_embed_spatial$", "occlusion_spatial_embedding_parameter"),
    (r"^obj_ptr_tpos_proj\.", "temporal_positional_encoding_projection_layer."),
    (r"^memory_attention\.norm\.", "memory_attention.layer_norm."),
    (r"^memory_encoder\.o_proj\.", "memory_encoder.projection."),
    (r"^memory_encoder\.pix_feat_proj\.", "memory_encoder.feature_projection."),
    (r"^memory_encoder\.fuser\.", "memory_encoder.memory_fuser."),
    (r"\.dwconv\.", ".depthwise_conv."),
    (r"memory_fuser\.layers\.(\d)\.norm\.", r"memory_fuser.layers.\1.layer_norm."),
    (r"\.pwconv(\d)\.", r".pointwise_conv\1."),
    (r"\.gamma$", ".scale"),
    (r"^memory_encoder\.mask_downsampler\.encoder\.12\.", "memory_encoder.mask_downsampler.final_conv."),
]] + [(re.compile(rf"^memory_encoder\.mask_downsampler\.encoder\.{3 * i + j}\."),
       f"memory_encoder.mask_downsampler.layers.{i}.{part}.")
      for i in range(4) for j, part in enumerate(("conv", "layer_norm"))]


def transformers_names(original):
    """What transformers calls an original tensor; that of the places of points it has twice."""
    name = original
    for pattern, replacement in RULES:
        name = pattern.sub(replacement, name)
    twice = ["shared_image_embedding.positional_embedding"] if "pe_layer" in original else []
    return [name, *twice]


def build(checkout, size, side=1024):
    """SAM2Base of one of the public sizes, t, s, b+ or l, for pictures of `side` rows and columns."""
    for name in ("hydra", "hydra.core", "hydra.core.global_hydra", "iopath", "iopath.common",
                 "iopath.common.file_io"):
        sys.modules.setdefault(name, types.ModuleType(name))
    sys.modules["hydra"].initialize_config_module = lambda *_, **__: None
    sys.modules["hydra.core.global_hydra"].GlobalHydra = types.SimpleNamespace(
        instance=lambda: types.SimpleNamespace(is_initialized=lambda: True))
    sys.modules["iopath.common.file_io"].g_pathmgr = None
    if str(checkout) not in sys.path:
        sys.path.insert(0, str(checkout))

    def made(given):
        if isinstance(given, str) and re.fullmatch(r"\d+e-\d+", given):
            return float(given)  # Which YAML takes for a text.
        if not isinstance(given, dict):
            return given
        given = {key: made(value) for key, value in given.items()}
        if (target := given.pop("_target_", None)) is None:
            return given
        module, name = target.rsplit(".", 1)
        return getattr(importlib.import_module(module), name)(**given)

    text = (pathlib.Path(checkout) / f"sam2/configs/sam2.1/sam2.1_hiera_{size}.yaml").read_text()
    given = yaml.safe_load(text)["model"]
    given["image_size"] = side
    # As its predictors are built.
    given["sam_mask_decoder_extra_args"] = dict(
        dynamic_multimask_via_stability=True, dynamic_multimask_stability_delta=0.05,
        dynamic_multimask_stability_thresh=0.98)
    return made(given).eval()
