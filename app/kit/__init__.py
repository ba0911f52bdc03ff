"""Words every room shares: actor, ids, pages, refusals, canonical and strict JSON. No I/O."""
