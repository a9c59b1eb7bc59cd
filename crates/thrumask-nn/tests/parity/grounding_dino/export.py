"""transformers' GroundingDinoForObjectDetection at a small size with random weights: features of its SwinBackbone,
hidden states of its BertModel, encoder, first boxes, logits and boxes; of one picture, and of two of different sizes
with texts of different lengths; what its post-processing makes of them; and pictures as its processor prepares
them. Weights go under "state." by the names that transformers writes."""

import json, pathlib, sys, tempfile

sys.path.insert(0, str(pathlib.Path(__file__).parents[1]))
import numpy as np
import torch
from fixture import generator, normal, save
from safetensors.torch import load_file
from transformers import BertConfig, GroundingDinoConfig, GroundingDinoForObjectDetection, SwinConfig
from transformers.models.grounding_dino.image_processing_pil_grounding_dino import GroundingDinoImageProcessorPil
from transformers.models.grounding_dino.processing_grounding_dino import GroundingDinoProcessor

START, END, STOP, ASK = 101, 102, 1012, 1029


def configuration(width=32, swin=8, depths=(1, 2, 1), window=3, out=(2, 3), levels=3, encoder=1, decoder=2, queries=6,
                  heads=4, text=16, shared=True):
    """Sizes as `GroundingDinoConfig::test` of ours has them."""
    return GroundingDinoConfig(
        backbone_config=SwinConfig(embed_dim=swin, depths=list(depths), num_heads=[2] * (len(depths) - 1) + [4],
                                   window_size=window, mlp_ratio=2.0, out_indices=list(out)),
        text_config=BertConfig(vocab_size=1032, hidden_size=text, num_hidden_layers=2, num_attention_heads=2,
                               intermediate_size=24, max_position_embeddings=32),
        d_model=width, num_queries=queries, num_feature_levels=levels, encoder_layers=encoder, decoder_layers=decoder,
        encoder_ffn_dim=32, decoder_ffn_dim=24, encoder_attention_heads=heads, decoder_attention_heads=heads,
        encoder_n_points=2, decoder_n_points=3, decoder_bbox_embed_share=shared)


def network(config, seed):
    """Random weights that keep what flows through alive: maps of deviation 1/√inputs, gains near 1; places of
    deformable attention some cells away."""
    net, random = GroundingDinoForObjectDetection(config), generator(seed)
    with torch.no_grad():
        for name, parameter in net.named_parameters():
            values = normal(random, *parameter.shape)
            if "sampling_offsets.bias" in name:
                parameter.copy_(2 * values)
            elif parameter.ndim > 1 and not any(part in name for part in ("embeddings", "bias_table", "level_embed")):
                parameter.copy_(values / parameter[0].numel() ** 0.5)
            elif parameter.ndim > 1:
                parameter.copy_(0.5 * values)
            else:
                gain = name.endswith("weight") or name.endswith("_param")
                parameter.copy_(0.2 * values + gain)
    return net.eval()


def state(net):
    """The tensors as transformers writes them, and the configuration."""
    with tempfile.TemporaryDirectory() as folder:
        net.save_pretrained(folder)
        config = (pathlib.Path(folder) / "config.json").read_text()
        return {f"state.{n}": t for n, t in load_file(f"{folder}/model.safetensors").items()}, config


def texts(random, lengths):
    """A row of phrases of so many words each, for each of `lengths`; the last phrase of the first ends with a
    question mark."""
    rows = []
    for i, words in enumerate(lengths):
        ids = [START]
        for count in words:
            ids += torch.randint(200, 1000, (count,), generator=random).tolist() + [STOP]
        if i == 0:
            ids[-1] = ASK
        rows.append(ids + [END])
    longest = max(map(len, rows))
    mask = torch.tensor([[1] * len(row) + [0] * (longest - len(row)) for row in rows])
    return torch.tensor([row + [0] * (longest - len(row)) for row in rows]), mask


def run(net, pixels, sizes, ids, mask):
    """What the network makes of pictures that were filled up, by name."""
    pixel_mask = torch.zeros(pixels.shape[0], *pixels.shape[2:], dtype=torch.long)
    for i, (h, w) in enumerate(sizes):
        pixel_mask[i, :h, :w] = 1
        pixels[i, :, h:] = 0
        pixels[i, :, :, w:] = 0
    out = net(pixel_values=pixels, pixel_mask=pixel_mask, input_ids=ids, attention_mask=mask)
    found = {f"features.{i}": f for i, f in enumerate(net.model.backbone.conv_encoder.model(pixels).feature_maps)}
    seen = {}
    hook = net.model.text_projection.register_forward_hook(lambda m, a, o: seen.update(read=o))
    net.model(pixel_values=pixels, pixel_mask=pixel_mask, input_ids=ids, attention_mask=mask)
    hook.remove()
    tokens = ids.shape[1]
    logits = out.logits[:, :, :tokens]
    # What stands in the place of padding is -inf there.
    assert torch.isinf(logits[mask[:, None].expand_as(logits) == 0]).all()
    found |= {"pixels": pixels, "sizes": torch.tensor(sizes), "ids": ids, "lengths": mask.sum(1), "read": seen["read"],
              "logits": logits.masked_fill(mask[:, None] == 0, 0), "boxes": out.pred_boxes}
    return found, out


@torch.no_grad()
def main():
    random, found = generator(1), {}
    config = configuration()
    net = network(config, 2)
    tensors, text = state(net)
    found |= tensors
    ids, mask = texts(random, [(2, 1, 3)])
    one, _ = run(net, normal(random, 1, 3, 40, 56), [(40, 56)], ids, mask)
    found |= {f"one.{n}": t for n, t in one.items()}
    ids, mask = texts(random, [(1, 2), (3, 1, 2)])
    two, out = run(net, normal(random, 2, 3, 43, 61), [(43, 40), (29, 61)], ids, mask)
    found |= {f"two.{n}": t for n, t in two.items()}

    # Boxes and the tokens that they are called by, spelled as numbers.
    spell = type("Spell", (), {"batch_decode": staticmethod(lambda ids: [[int(i) for i in row] for row in ids])})()
    results = GroundingDinoProcessor.post_process_grounded_object_detection(
        spell, out, threshold=0.5, text_threshold=0.4, target_sizes=[(100, 200), (300, 50)], input_ids=ids)
    for i, result in enumerate(results):
        found |= {f"found.{i}.scores": result["scores"], f"found.{i}.boxes": result["boxes"]}
    words = [dict(result)["text_labels"] for result in results]
    assert all(words) and any(len(w) > 1 for row in words for w in row), words

    processor = GroundingDinoImageProcessorPil(size={"shortest_edge": 12, "longest_edge": 18})
    for i, (height, width) in enumerate([(30, 23), (12, 12), (7, 16), (45, 15)]):
        picture = torch.randint(0, 256, (height, width, 3), generator=random, dtype=torch.uint8)
        # Smooth, as pictures are; one of noise.
        if i:
            ramp = torch.linspace(0, 3, height)[:, None, None] + torch.linspace(0, 2, width)[None, :, None]
            picture = ((torch.sin(ramp * torch.tensor([1.0, 2.0, 0.7])) + 1) * 127).to(torch.uint8)
        made = processor(images=np.asarray(picture), return_tensors="pt")["pixel_values"]
        found |= {f"picture.{i}.levels": picture, f"picture.{i}.pixels": made}
    save(__file__, found, {"config": text, "words": json.dumps(words)})


if __name__ == "__main__":
    main()
