"""GA4's default channel group with an AI channel, as in rules.md §8; the first match wins."""

import re
from collections.abc import Mapping

PAID = re.compile(r"(.*cp.*|ppc|retargeting|paid.*)")
SHOP = re.compile(r"(.*(([^a-df-z]|^)shop|shopping).*)")
DISPLAY = {"display", "banner", "expandable", "interstitial", "cpm"}
SOCIAL = {"social", "social-network", "social-media", "sm", "social network", "social media"}
EMAIL = {"email", "e-mail", "e_mail", "e mail"}


def channel_of(
    source: str | None, medium: str | None, campaign: str | None, category: str | None
) -> str:
    """Return the channel of a traffic source whose site is of `category` (search, social, …)."""
    source, medium, campaign = ((text or "").lower() for text in (source, medium, campaign))
    paid = PAID.fullmatch(medium) is not None
    shop = category == "shopping" or SHOP.fullmatch(campaign) is not None
    if source == "(direct)" and medium in ("(not set)", "(none)"):
        return "Direct"
    if "cross-network" in campaign:
        return "Cross-network"
    if paid and shop:
        return "Paid Shopping"
    if paid and category in ("search", "social", "video"):
        return f"Paid {category.capitalize()}"
    if medium in DISPLAY:
        return "Display"
    if paid:
        return "Paid Other"
    if shop:
        return "Organic Shopping"
    if category == "social" or medium in SOCIAL:
        return "Organic Social"
    if category == "video" or "video" in medium:
        return "Organic Video"
    if category == "search" or medium == "organic":
        return "Organic Search"
    if category == "ai":
        return "AI Assistants"
    if medium in ("referral", "app", "link"):
        return "Referral"
    if source in EMAIL or medium in EMAIL:
        return "Email"
    if medium == "affiliate":
        return "Affiliates"
    if medium == "audio":
        return "Audio"
    if "sms" in (source, medium):
        return "SMS"
    if medium.endswith("push") or "mobile" in medium or "notification" in medium:
        return "Mobile Push Notifications"
    if source == "firebase":
        return "Mobile Push Notifications"
    return "Unassigned"


def longest_host(host: str | None, hosts: Mapping[str, str]) -> str | None:
    """Return what `hosts` says of the host itself or of the nearest one above it, at a dot."""
    labels = (host or "").lower().split(".")
    for start in range(len(labels)):
        found = hosts.get(".".join(labels[start:]))
        if found is not None:
            return found
    return None
