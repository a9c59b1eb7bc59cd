//! Our operators, layers and block against public reference implementations.
//!
//! Each folder holds the exporter that ran the reference (PyTorch, diffusers, transformers, flow_vis, gguf;
//! versions in `requirements.txt`), what it wrote, and the test. To make a fixture anew:
//! `pip install -r requirements.txt && python attention/export.py`.
#![allow(clippy::unwrap_used)]

mod activations;
mod attention;
mod attention_layer;
mod bert_tokens;
mod clip_text;
mod clip_tokens;
mod dit_block;
mod fixture;
mod flow;
mod flow_colors;
mod gguf;
mod grounding_dino;
mod kl;
mod lpips;
mod manifests;
mod norms;
mod optimiser;
mod raft;
mod rotary;
mod sam2;
mod sam2_video;
mod schedulers;
mod tiny_autoencoder;
mod unet;
