"""Core's own checks of references against Whisper's tokenizer."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from ruach_core.hookspecs import hookimpl
from ruach_core.models.special_tokens import MAX_NEW_TOKENS
from ruach_core.text.token_budget import STOCK_NEW_TOKENS, TokenBudget, token_budget
from ruach_core.types import Finding, TextTokenizer, TokenizationCheck, Utterance

_MAX_LOST_SHARE = 0.1
"""Beyond this share of texts changed by the tokenizer, the tokenizer is wrong, not the texts."""


@hookimpl
def ruach_tokenization_checks() -> Sequence[TokenizationCheck]:
    """The token budget and the round trip."""
    return [TokenBudgetCheck(), RoundTripCheck()]


class TokenBudgetCheck:
    """Whether the references fit Whisper's decoder, and stock software's limits."""

    name = "token-budget"

    def check(self, utterances: Sequence[Utterance], tokenizer: TextTokenizer) -> Iterator[Finding]:
        """One finding for each limit that references pass."""
        budget = token_budget(
            [u.reference or "" for u in utterances],
            [u.duration_s or 0.0 for u in utterances],
            tokenizer,
        )
        if budget.refused:
            yield self._over_limit(budget, utterances)
        n_over_stock = budget.n_over_224 - budget.n_over_limit
        if n_over_stock:
            yield Finding(
                check=self.name,
                severity="warning",
                message=f"{n_over_stock} texts have more than {STOCK_NEW_TOKENS} tokens, where "
                "CTranslate2 and faster-whisper stop by default",
                remedy="decode with ruach transcribe, which knows the length, or cut such clips",
                n=n_over_stock,
            )

    def _over_limit(self, budget: TokenBudget, utterances: Sequence[Utterance]) -> Finding:
        return Finding(
            check=self.name,
            severity="error" if len(budget.refused) == len(utterances) else "warning",
            message=f"{budget.n_over_limit} of {budget.n_references} texts have more than the "
            f"{MAX_NEW_TOKENS} tokens that Whisper's decoder takes, and are set aside",
            remedy="cut their clips into shorter ones",
            n=budget.n_over_limit,
            example=utterances[budget.refused[0]].id,
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
            example=f"{first.id}: {(first.reference or '')[:60]!r} becomes {back[:60]!r}",
        )
