"""The original implementation of Grounding DINO (IDEA-Research/GroundingDINO), from a checkout of its repository, on
today's libraries: what its network does not need of others is left out, and BERT is transformers'.

    python original.py CHECKOUT      writes original.pth and original.safetensors: a small network, and what it says
"""

import importlib.util, inspect, pathlib, sys, types
from unittest.mock import MagicMock

sys.path.insert(0, str(pathlib.Path(__file__).parents[1]))
import torch
import transformers  # Before the stand-ins below, as it looks for some of them.
from transformers import BertConfig, BertModel

MISSING = ["torchvision", "torchvision.ops", "torchvision.ops.boxes", "torchvision.transforms", "cv2", "addict",
           "torchvision.transforms.functional", "torchvision.models", "torchvision.models._utils", "supervision",
           "yapf", "yapf.yapflib", "yapf.yapflib.yapf_api", "pycocotools", "pycocotools.mask", "pycocotools.coco",
           "matplotlib", "matplotlib.pyplot", "matplotlib.collections", "matplotlib.patches", "timm", "timm.models",
           "timm.models.layers", "termcolor", "colorlog", "groundingdino._C"]


class Reader(torch.nn.Module):
    """In the place of its wrapper around BERT: the same call, the same names of tensors."""

    def __init__(self, bert):
        super().__init__()
        self.config = bert.config
        self.embeddings, self.encoder, self.pooler = bert.embeddings, bert.encoder, bert.pooler
        self.whole = [bert]

    def forward(self, input_ids, attention_mask, position_ids, token_type_ids):
        out = self.whole[0](input_ids, attention_mask[:, None], token_type_ids, position_ids)
        return {"last_hidden_state": out.last_hidden_state}


class Tokens(dict):
    """What a tokenizer gives."""

    __getattr__ = dict.__getitem__

    def to(self, device):
        return self


def narrow(width):
    """Its waves of places are those of 256 channels; the same code at another width."""
    import groundingdino.models.GroundingDINO.transformer as transformer
    import groundingdino.models.GroundingDINO.utils as utils

    source = inspect.getsource(utils.gen_sineembed_for_position).replace("128", str(width // 2))
    exec(source, vars(utils) | {"__name__": "narrow"}, found := {})
    transformer.gen_sineembed_for_position = found["gen_sineembed_for_position"]
    transformer.get_sine_pos_embed = lambda places, num_pos_feats, exchange_xy: utils.get_sine_pos_embed(
        places, num_pos_feats=width, exchange_xy=exchange_xy)


def build(checkout, config, bert, swin=None, **changed):
    """A network by one of its configurations, with a BERT, a Swin of other sizes and changed settings."""
    for name in MISSING:
        if name not in sys.modules:
            stand_in = MagicMock()
            stand_in.__path__, stand_in.__version__, stand_in.__spec__ = [], "0.20.0", None
            sys.modules[name] = stand_in
    layers = sys.modules["timm.models.layers"]
    layers.DropPath = lambda rate=0.0: torch.nn.Identity()
    layers.to_2tuple = lambda x: x if isinstance(x, tuple) else (x, x)
    layers.trunc_normal_ = lambda tensor, std=0.0: tensor
    sys.path.insert(0, str(checkout))
    import groundingdino.models.GroundingDINO.backbone.backbone as backbone
    import groundingdino.models.GroundingDINO.backbone.swin_transformer as transformer
    import groundingdino.models.GroundingDINO.groundingdino as network

    path = pathlib.Path(checkout) / "groundingdino" / "config" / f"{config}.py"
    spec = importlib.util.spec_from_file_location("config", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    args = types.SimpleNamespace(**{n: v for n, v in vars(module).items() if not n.startswith("_")}, aux_loss=False)
    vars(args).update(changed)
    tokenizer = MagicMock()
    tokenizer.convert_tokens_to_ids = lambda tokens: [101, 102, 1012, 1029]
    network.get_tokenlizer = MagicMock()
    network.get_tokenlizer.get_tokenlizer = lambda name: tokenizer
    network.get_tokenlizer.get_pretrained_language_model = lambda name: bert
    network.BertModelWarper = lambda bert_model: Reader(bert_model)
    if swin:
        backbone.build_swin_transformer = lambda name, **given: transformer.SwinTransformer(**(given | swin))
    narrow(args.hidden_dim)
    # Numbers are needed where tensors have none.
    real = torch.linspace
    transformer.torch.linspace = lambda *a, **k: real(*a, **(k | {"device": "cpu"}))
    try:
        return network.build_groundingdino(args), tokenizer
    finally:
        transformer.torch.linspace = real


@torch.no_grad()
def main(checkout):
    from export import texts
    from fixture import generator, normal

    random = generator(11)
    bert = BertModel(BertConfig(vocab_size=1032, hidden_size=8, num_hidden_layers=1, num_attention_heads=2,
                                intermediate_size=8, max_position_embeddings=16), add_pooling_layer=True)
    net, tokenizer = build(
        checkout, "GroundingDINO_SwinT_OGC", bert, hidden_dim=32, nheads=4, dim_feedforward=16, enc_layers=1, dec_layers=2,
        num_queries=5, enc_n_points=2, dec_n_points=1, use_checkpoint=False, use_transformer_ckpt=False,
        swin=dict(embed_dim=4, depths=[1, 2, 1, 1], num_heads=[1, 2, 2, 2], window_size=3, mlp_ratio=1.0))
    for name, parameter in net.named_parameters():
        values = normal(random, *parameter.shape)
        if parameter.ndim > 1 and not any(n in name for n in ("embeddings", "bias_table", "level_embed")):
            parameter.copy_(values / parameter[0].numel() ** 0.5)
        elif parameter.ndim > 1:
            parameter.copy_(0.5 * values)
        else:
            norm = any(n in name for n in ("norm", "Norm", "gamma", "input_proj")) and not name.endswith("bias")
            parameter.copy_(0.2 * values + norm)
    net.eval()
    ids, mask = texts(random, [(2, 1, 3)])
    tokenizer.return_value = Tokens(input_ids=ids, attention_mask=mask, token_type_ids=torch.zeros_like(ids))
    pixels = normal(random, 1, 3, 64, 72)
    from groundingdino.util.misc import NestedTensor
    out = net(NestedTensor(pixels, torch.zeros(1, 64, 72, dtype=torch.bool)), captions=["a"])
    logits = out["pred_logits"][:, :, :ids.shape[1]]
    folder = pathlib.Path(__file__).parent
    # As it is published: under "model", from several devices, with what the training had besides.
    state = {f"module.{n}": t for n, t in net.state_dict().items()} | {"module.label_enc.weight": torch.zeros(3, 2)}
    torch.save({"model": state}, folder / "original.pth")
    from safetensors.torch import save_file
    save_file({"pixels": pixels, "ids": ids.float(), "logits": logits.contiguous(), "boxes": out["pred_boxes"].contiguous()},
              folder / "original.safetensors")
    print(len(state), "tensors", (folder / "original.pth").stat().st_size, "bytes", logits.std(), out["pred_boxes"][0, :2])


if __name__ == "__main__":
    main(sys.argv[1])
