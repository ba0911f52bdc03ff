"""OpenFeature: decision points as flags, for clients that speak its protocols already.

Owns nothing: it puts routing's plans and decisions into the words of OFREP (remote evaluation) and
of flagd's flag files (evaluation at the edge). Promises what routing promises: the same arm for the
same unit, without the database. Imports routing.
"""
