"""Scopes: KPIs of processes and portfolios, so that a gain here that costs there is one sum."""
