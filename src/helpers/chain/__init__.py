"""The chain: profiles, notebooks, one kernel after another."""
