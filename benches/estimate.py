"""What `animate --dry-run` tells beside what the run then takes, medians of some times in turn, as a table. On a quiet machine:

    cargo build --release && python3 benches/estimate.py [PROGRAM] [--full]
"""

import json, pathlib, subprocess, sys, tempfile

ROOT = pathlib.Path(__file__).resolve().parents[1]
WORDS_GIVEN = [word for word in sys.argv[1:] if word != "--full"]
PROGRAM = str(pathlib.Path(WORDS_GIVEN[0] if WORDS_GIVEN else ROOT / "target/release/thrumask").resolve())
PICTURE = str(ROOT / "examples/two-cars.png")
WORDS = "The red car on the right moves away to the right, while the blue car on the left jumps."
UNET = ["--backbone", "unet", "--models", "ttm-tiny"]
CASES = {
    "usual": [],
    "20 steps": ["--steps", "20"],
    "guided": ["--image-guidance", "1.5", "--text-guidance", "3"],
    "one thread": ["--threads", "1"],
    "the small U-Net": ["--backbone", "unet"],
    "tiny U-Net": UNET,
    "tiny U-Net, 30 steps": [*UNET, "--steps", "30"],
}
# Five gigabytes in a temporary folder, and some minutes.
FULL = ["--backbone", "unet", "--models", "ttm-full", "--steps", "1"]
FULL_CASES = {
    "full size": FULL,
    "full size, 16 bits": [*FULL, "--weights", "f16"],
}
RUNS = 5

with tempfile.TemporaryDirectory() as folder:
    call = lambda *words: subprocess.run([PROGRAM, *words], cwd=folder, check=True, capture_output=True, text=True).stdout
    animate = lambda out, more: call("animate", PICTURE, WORDS, "-o", out, "--json", "--quiet", *more)
    call("models", "init", "ttm-tiny", "--pipeline", "--size", "tiny", "--quiet")
    if "--full" in sys.argv:
        call("models", "init", "ttm-full", "--pipeline", "--dtype", "f16", "--quiet")
        CASES |= FULL_CASES
    print("| run | stage | told | took | told MB | took MB |\n|---|---|---|---|---|---|")
    for name, more in CASES.items():
        told, took = [], []
        for run in range(1 if "full" in name else RUNS):
            told.append({s["name"]: s["estimate"] for s in json.loads(animate("told.mp4", ["--dry-run", *more]))["stages"]})
            animate(f"{name}-{run}.mp4", more)
            record = json.loads(pathlib.Path(folder, f"{name}-{run}.run/run.json").read_text())
            took.append({s["name"]: s for s in record["stages"]})
        median = lambda runs, stage, what: sorted(run[stage][what] for run in runs)[len(runs) // 2]
        for stage in ("motion", "video"):
            print(f"| {name} | {stage} | {median(told, stage, 'seconds'):.3f} s | {median(took, stage, 'seconds'):.3f} s "
                  f"| {median(told, stage, 'peak_bytes') / 1e6:.0f} | {median(took, stage, 'peak_rss_bytes') / 1e6:.0f} |")
