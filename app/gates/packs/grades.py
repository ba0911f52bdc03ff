"""The risk tiers as policies are written for them, from the lightest on."""

LOW, MEDIUM, HIGH = "low", "medium", "high"
TIERS = (LOW, MEDIUM, HIGH)
GRAVE = (MEDIUM, HIGH)
