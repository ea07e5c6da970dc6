"""Check my derivation: a formula that somebody claims, read, held to the derivation, and explained."""
