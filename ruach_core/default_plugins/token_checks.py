"""Checks of what Whisper's tokenizer makes of references."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence

from ruach_core.manifest import PackManifest
from ruach_core.models.special_tokens import MAX_NEW_TOKENS
from ruach_core.text.excerpt import excerpt
from ruach_core.text.suppressed_tokens import suppressed_tokens
from ruach_core.text.token_budget import (
    ANY_SCRIPT,
    STOCK_NEW_TOKENS,
    WINDOW_S,
    TokenBudget,
    fast_speech,
    speaking_rate,
    token_budget,
)
from ruach_core.types import Finding, TextTokenizer, Utterance

_MAX_LOST_SHARE = 0.1
"""Beyond this share of texts changed by the tokenizer, the tokenizer is wrong, not the texts."""
_MANY_SHARE = 0.01
"""From this share of texts on, suppressed tokens are worth a warning."""
_SEGMENT_S = 15.0
"""What `ruach transcribe` decodes in one piece by default."""
_N_NAMED = 10


class TokenBudgetCheck:
    """What references cost in tokens, and whether they fit Whisper's and stock software's limits.

    Args:
        script: ISO 15924 code, for the rate of speech to assume where no duration is known.
        tokens_per_char: what the language's pack states, for the same; 0 without a pack.
    """

    name = "token-budget"

    def __init__(self, *, script: str = ANY_SCRIPT, tokens_per_char: float = 0.0) -> None:
        self._script = script
        self._tokens_per_char = tokens_per_char

    @classmethod
    def of(cls, manifest: PackManifest) -> TokenBudgetCheck:
        """The check with what a language's pack knows."""
        return cls(script=manifest.script, tokens_per_char=manifest.tokens_per_char)

    def check(self, utterances: Sequence[Utterance], tokenizer: TextTokenizer) -> Iterator[Finding]:
        """The rates, the longest clip that surely fits, and one finding for each limit passed."""
        if not utterances:
            return
        budget = token_budget(
            [u.reference or "" for u in utterances],
            [u.duration_s or 0.0 for u in utterances],
            tokenizer,
        )
        longest = max(utterances, key=lambda u: len(tokenizer.encode(u.reference or "")))
        yield self._rates(budget, longest)
        yield self._safe_clip(budget, utterances, tokenizer)
        if budget.refused:
            yield self._over_limit(budget, utterances)
        if budget.n_over_224 > budget.n_over_limit:
            yield self._over_stock_limit(budget, utterances, tokenizer)

    def _rates(self, budget: TokenBudget, longest: Utterance) -> Finding:
        rates = (
            f"{budget.tokens_per_char:.2f} tokens a character, {budget.tokens_per_letter:.2f} a "
            f"letter, {budget.tokens_per_word:.1f} a word"
        )
        if budget.tokens_per_second:
            rates += f", {budget.tokens_per_second:.1f} a second"
        return Finding(
            check=self.name,
            severity="info",
            message=f"{rates}; {budget.n_tokens} in all, the longest of {budget.n_references} "
            f"texts has {budget.longest}",
            n=budget.n_tokens,
            example=f"{longest.id}: {excerpt(longest.reference or '')}",
        )

    def _safe_clip(
        self, budget: TokenBudget, utterances: Sequence[Utterance], tokenizer: TextTokenizer
    ) -> Finding:
        speech = fast_speech(budget, script=self._script, tokens_per_char=self._tokens_per_char)
        safe_s = speech.safe_s(MAX_NEW_TOKENS)
        stock_s = speech.safe_s(STOCK_NEW_TOKENS)
        n_longer = sum((u.duration_s or 0.0) > safe_s for u in utterances)
        n_clips = f"; {n_longer} clips are longer" if budget.tokens_per_second else ""
        remedies = []
        if safe_s < WINDOW_S:
            remedies.append(f"keep clips under {max(1, int(safe_s))} s")
        if safe_s < _SEGMENT_S:
            remedies.append(f"use ruach transcribe --max-segment {max(2, int(safe_s))}")
        if stock_s < WINDOW_S:
            remedies.append(f"plain faster-whisper needs chunk_length={max(1, int(stock_s))}")
        return Finding(
            check=self.name,
            severity="warning" if safe_s < _SEGMENT_S else "info",
            message=f"longest safe clip: fast speech has {speech.tokens_per_second:.1f} tokens a "
            f"second ({speech.origin}), so {MAX_NEW_TOKENS} tokens hold {_seconds(safe_s)}, and "
            f"the {STOCK_NEW_TOKENS} of stock software {_seconds(stock_s)}{n_clips}",
            remedy="; ".join(remedies),
            n=n_longer,
            example=_describe_fastest(utterances, tokenizer),
        )

    def _over_limit(self, budget: TokenBudget, utterances: Sequence[Utterance]) -> Finding:
        first = utterances[budget.refused[0]]
        return Finding(
            check=self.name,
            severity="error" if len(budget.refused) == len(utterances) else "warning",
            message=f"{budget.n_over_limit} of {budget.n_references} texts "
            f"({budget.share_over_448:.1%}) have more than the {MAX_NEW_TOKENS} tokens that "
            f"Whisper's decoder takes{_audio(budget.seconds_over_448)}, and are set aside",
            remedy="cut their clips into shorter ones",
            n=budget.n_over_limit,
            example=f"{first.id}: {excerpt(first.reference or '')}",
        )

    def _over_stock_limit(
        self, budget: TokenBudget, utterances: Sequence[Utterance], tokenizer: TextTokenizer
    ) -> Finding:
        n = budget.n_over_224 - budget.n_over_limit
        first = next(
            u
            for u in utterances
            if STOCK_NEW_TOKENS < len(tokenizer.encode(u.reference or "")) <= MAX_NEW_TOKENS
        )
        seconds = budget.seconds_over_224 - budget.seconds_over_448
        return Finding(
            check=self.name,
            severity="warning",
            message=f"{n} of {budget.n_references} texts ({n / budget.n_references:.1%}) fit, but "
            f"have more than {STOCK_NEW_TOKENS} tokens{_audio(seconds)}, where CTranslate2 and "
            "faster-whisper stop by default",
            remedy="decode with ruach transcribe, which knows the length, or cut such clips",
            n=n,
            example=f"{first.id}: {excerpt(first.reference or '')}",
        )


class RoundTripCheck:
    """Whether the tokenizer gives each reference back as it was; training teaches what it gives."""

    name = "round-trip"

    def check(self, utterances: Sequence[Utterance], tokenizer: TextTokenizer) -> Iterator[Finding]:
        """One finding if any reference comes back changed; an error if many do."""
        lost = [
            utterance
            for utterance in utterances
            if tokenizer.decode(tokenizer.encode(utterance.reference or ""))
            != (utterance.reference or "")
        ]
        if not lost:
            return
        first = lost[0]
        back = tokenizer.decode(tokenizer.encode(first.reference or ""))
        yield Finding(
            check=self.name,
            severity="error" if len(lost) > _MAX_LOST_SHARE * len(utterances) else "warning",
            message=f"{len(lost)} of {len(utterances)} texts change on the way through the "
            "tokenizer",
            remedy="remove special tokens such as <|endoftext|> from the transcripts, or use the "
            "base model's own tokenizer.json",
            n=len(lost),
            example=f"{first.id}: {excerpt(first.reference or '')} becomes {excerpt(back)}",
        )


class SuppressedTokensCheck:
    """Whether references need tokens that decoders never write unless told otherwise."""

    name = "suppressed-tokens"

    def check(self, utterances: Sequence[Utterance], tokenizer: TextTokenizer) -> Iterator[Finding]:
        """One finding if any reference needs such a token; a warning if more than a few do."""
        signs = suppressed_tokens(tokenizer)
        counts: Counter[str] = Counter()
        needy: list[tuple[Utterance, str]] = []
        for utterance in utterances:
            needed = [signs[i] for i in tokenizer.encode(utterance.reference or "") if i in signs]
            counts.update(needed)
            if needed:
                needy.append((utterance, needed[0]))
        if not needy:
            return
        share = len(needy) / len(utterances)
        first, sign = needy[0]
        shown = excerpt(first.reference or "", around=sign.split()[0])
        yield Finding(
            check=self.name,
            severity="warning" if share >= _MANY_SHARE else "info",
            message=f"{len(needy)} of {len(utterances)} texts ({share:.1%}) need tokens that "
            f"Whisper keeps back by default: {_list_counts(counts)}",
            remedy="none for Ruach, which takes the tokens of the training text off the model's "
            "list; call plain faster-whisper with suppress_tokens=[], or take the signs out of the "
            "transcripts if nobody speaks them",
            n=len(needy),
            example=f"{first.id}: {shown}",
        )


def _list_counts(counts: Counter[str]) -> str:
    named = ", ".join(f"{n} x {sign}" for sign, n in counts.most_common(_N_NAMED))
    rest = len(counts) - _N_NAMED
    return f"{named}, and {rest} more signs" if rest > 0 else named


def _describe_fastest(utterances: Sequence[Utterance], tokenizer: TextTokenizer) -> str:
    """The clip with the most tokens a second, whose text or audio may be another's."""
    timed = [
        (len(tokenizer.encode(u.reference or "")), u.duration_s, u.id)
        for u in utterances
        if u.duration_s
    ]
    if not timed:
        return ""
    n, duration_s, name = max(timed, key=lambda clip: speaking_rate(clip[0], clip[1]))
    return f"the fastest is {name}: {n} tokens in {duration_s:.1f} s"


def _seconds(seconds: float) -> str:
    return f"{seconds:.1f} s" if seconds < WINDOW_S else "Whisper's whole 30 s window"


def _audio(seconds: float) -> str:
    return f" ({seconds:.1f} s of audio)" if seconds else ""
