"""The demo: one version's whole life on real data, over HTTP, as separate principals."""
