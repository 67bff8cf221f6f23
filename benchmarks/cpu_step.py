"""What a training step of whisper-base costs on this CPU: float32 or bfloat16, memory kept or not.

Each variant runs in a process of its own (the C library's settings can't be undone), in turn, and
the medians are compared with the first: float32 as torch does it by itself.

    python benchmarks/cpu_step.py [--model whisper-base] [--rounds 2] [--quick] [--json]
"""

from __future__ import annotations

import argparse
import json
import resource
import statistics
import subprocess
import sys
import time

CLIPS, WINDOW_FRAMES, TEXT_TOKENS = 8, 400, 36
VARIANTS = {
    "float32": ("float32", False),
    "float32, memory kept": ("float32", True),
    "bf16": ("bf16", False),
    "bf16, memory kept": ("bf16", True),
}


def measure(model_name: str, precision: str, *, keeps_memory: bool, n_steps: int) -> dict:
    """Seconds and page faults of each step after the first two, in this process."""
    import torch
    from transformers import WhisperForConditionalGeneration

    from ruach_core.models.resolve import resolve_base_model
    from ruach_core.models.windows import allow_short_windows
    from ruach_core.plugins import Plugins
    from ruach_core.training.device import keep_freed_memory

    if keeps_memory:
        keep_freed_memory()
    folder = resolve_base_model(model_name, Plugins.load(None), progress=False).directory
    model = allow_short_windows(WhisperForConditionalGeneration.from_pretrained(folder)).train()
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-6, fused=True)
    log_mel = torch.randn(CLIPS, model.config.num_mel_bins, WINDOW_FRAMES)
    ids = torch.randint(0, 50_000, (CLIPS, TEXT_TOKENS))
    seconds, faults = [], []
    for _ in range(n_steps + 2):
        began = time.perf_counter()
        faults_before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
        with torch.autocast("cpu", torch.bfloat16, enabled=precision == "bf16"):
            logits = model(input_features=log_mel, decoder_input_ids=ids, use_cache=False).logits
        torch.nn.functional.cross_entropy(logits.float().flatten(0, 1), ids.flatten()).backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        optimizer.zero_grad()
        seconds.append(time.perf_counter() - began)
        faults.append(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - faults_before)
    return {"seconds": seconds[2:], "faults": faults[2:]}


def run_variant(name: str, model: str, n_steps: int) -> dict:
    command = [sys.executable, __file__, "--variant", name, "--model", model, "--steps", n_steps]
    done = subprocess.run([*map(str, command)], capture_output=True, text=True, check=True)
    return json.loads(done.stdout.splitlines()[-1])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--model", default="whisper-base")
    parser.add_argument("--rounds", type=int, default=2)
    parser.add_argument("--steps", type=int, default=6)
    parser.add_argument("--quick", action="store_true", help="one round of three steps")
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--variant", choices=list(VARIANTS), help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.variant:
        precision, keeps_memory = VARIANTS[arguments.variant]
        steps = arguments.steps
        result = measure(arguments.model, precision, keeps_memory=keeps_memory, n_steps=steps)
        print(json.dumps(result))
        return

    rounds, steps = (1, 3) if arguments.quick else (arguments.rounds, arguments.steps)
    seconds: dict[str, list[float]] = {name: [] for name in VARIANTS}
    faults: dict[str, list[int]] = {name: [] for name in VARIANTS}
    for _ in range(rounds):
        for name in VARIANTS:
            result = run_variant(name, arguments.model, steps)
            seconds[name] += result["seconds"]
            faults[name] += result["faults"]
    medians = {name: statistics.median(values) for name, values in seconds.items()}
    first, *_, last = VARIANTS
    ratio = medians[first] / medians[last]
    if arguments.json:
        print(json.dumps({"ratio": ratio, "median_s": medians}))
        return
    print(f"{CLIPS} clips, {WINDOW_FRAMES / 100:.0f} s window, {TEXT_TOKENS} tokens a text")
    print(f"{'variant':<24}{'median s':>9}{'faults':>10}{'ratio':>7}")
    for name, median in medians.items():
        n_faults = statistics.median(faults[name])
        print(f"{name:<24}{median:>9.2f}{n_faults:>10,.0f}{medians[first] / median:>7.2f}")


if __name__ == "__main__":
    main()
