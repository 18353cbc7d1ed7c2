"""The part of a model card about training."""

from __future__ import annotations

from typing import Final

from clearer.zoo.card_record import CardRecord
from clearer.zoo.markdown import table_lines

__all__ = ["training_curve", "training_text"]

_TEST_SETS: Final = {
    "denoise": "BSD68",
    "photo": "PolyU or Kodak24",
    "dejpeg": "Kodak24 or Set12",
}
"""By task; the pairs of rain are counted by scenes."""


def training_text(card: CardRecord) -> str:
    """Where the weights began, the pictures, and the length of the training."""
    training = card["training"]
    what = "pairs" if "left_out" in training else "pictures"
    # If it is this network's own name, it means the earlier version.
    start = _named(training.get("fine_tuned_from"), training.get("fine_tuned_from_sha256"))
    teacher = _named(training.get("teacher"), training.get("teacher_sha256"))
    text = f"Begun with the weights of {start}. " * bool(start)
    text += f"Taught by {teacher}. " * bool(teacher)
    text += (
        f"Trained on {training['num_train']} {what} ({_origins(training['train'])}): weights of "
        f"iteration {training['iteration']:,} of {training['iterations']:,}, batches of "
        f"{training['batch_size']}, patches of {training['patch_size']}x{training['patch_size']}. "
        f"Selected by the {training['selection']} ({_origins(training['val'])}): "
        f"{training['val_psnr_db']:.2f} dB, SSIM {training['val_ssim']:.4f}. "
    )
    tests = _TEST_SETS.get(card["task"]["name"])
    if tests is not None:
        num = training["num_in_bsd68"] if "num_in_bsd68" in training else training["num_in_test"]
        return f"{text}Pictures of {tests} among those that trained or selected: {num}."
    left_out = ", ".join(f"`{name}`" for name in training["left_out"]) or "none"
    return (
        f"{text}Pairs of one scene all train or all select. Left out, since they show a scene of "
        f"the test pairs: {left_out}; pairs of such scenes among those that trained or selected: "
        f"{training['num_in_test']}."
    )


def training_curve(card: CardRecord) -> list[str]:
    """How PSNR grew, for networks whose log was kept."""
    training, made_on = card["training"], card["run"]["config"]["environment"]
    if "curve" not in training:
        return []
    iterations, values = zip(*training["curve"], strict=True)
    return [
        f"PSNR by iteration on the pictures that select; {training['hours']:.1f} hours of steps, "
        f"{made_on['device']}, {made_on['threads']} thread(s), {training['precision']}:",
        "",
        *table_lines(
            ("iteration", *(f"{iteration:,}" for iteration in iterations)),
            [("dB", *(f"{value:.2f}" for value in values))],
        ),
        "",
    ]


def _named(name: str | None, digest: str | None) -> str:
    """A network that took part in the training; empty if there was none."""
    which = f" (SHA-256 {digest[:12]}...)" if digest else ""
    return f"`{name}`{which}" if name else ""


def _origins(counts: dict[str, int]) -> str:
    return ", ".join(f"{count} of {name}" for name, count in counts.items())
