"""Is the decider ever wrong? Random objects, what people and controllers do to them, and the API server's own opinion.

Used by the unit test (a few hundred pairs) and the acceptance test (10,000). May hold: objects, histories, verdicts and
their table. May not hold: a sandbox, or an assertion.
"""
