"""A cluster that somebody else has built is taken over: the phases of ``hamysql.orch.adopt``."""
