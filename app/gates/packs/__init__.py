"""Packs: complete policies to start from, to be adopted by saving and then edited."""

from app.gates.packs.eu_ai_act import EU_AI_ACT_HIGH_RISK
from app.gates.packs.grades import HIGH, LOW, MEDIUM, TIERS
from app.gates.packs.pack import Pack
from app.gates.packs.sr_11_7 import SR_11_7
from app.gates.packs.tiers import tier_pack, tier_policy

PACKS: dict[str, Pack] = {
    pack.name: pack for pack in (*(tier_pack(tier) for tier in TIERS), SR_11_7, EU_AI_ACT_HIGH_RISK)
}

__all__ = ["HIGH", "LOW", "MEDIUM", "PACKS", "TIERS", "Pack", "tier_policy"]
