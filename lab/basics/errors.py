"""The errors of the lab: one clear sentence for the operator, never a traceback."""

from __future__ import annotations


class LabError(Exception):
    """Something did not work; the message says what was found and what to do next."""

    exit_code = 1


class Broken(LabError):
    """Waiting on makes no sense: what is waited for cannot come any more."""


class HostError(LabError):
    """The lab cannot work on this machine as it is."""

    exit_code = 2
