"""What fits this machine's card: said in one sentence, before anything is loaded or downloaded.

How much memory a profile takes is an estimate (`Profile.gpu_gib`), so a profile that is chosen without being asked for
leaves a third of the card free. One that somebody asks for is refused only where it takes more than there is.
"""

from __future__ import annotations

from helpers.chain.profiles import Profile, ProfileError, load_profile, profile_names
from helpers.work.machine import Card

FILLED = 2 / 3  # share of a card that a profile may take that nobody asked for


def require_fit(profile: Profile, card: Card | None) -> None:
    """Raise ProfileError where a profile takes more memory than the card has; a machine without a card passes."""
    if card is None or profile.gpu_gib is None or profile.gpu_gib <= card.gib:
        return
    smaller = best_profile(set(profile.notebooks), card)
    cure = f"take --profile {smaller}" if smaller else "take a profile without a card, such as nano"
    raise ProfileError(
        f"profile {profile.name} takes about {profile.gpu_gib:g} GiB of a card's memory, and this one has less "
        f"({card}); {cure}, or a larger card"
    )


def best_profile(notebooks: set[str], card: Card | None) -> str:
    """Return the largest profile of these notebooks that a card has ample room for; "" where there is none."""
    found, most = "", 0.0
    for name in profile_names():
        profile = load_profile(name)
        takes = profile.gpu_gib or 0.0
        if card and notebooks <= set(profile.notebooks) and most < takes <= FILLED * card.gib:
            found, most = name, takes
    return found
