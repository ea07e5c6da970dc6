"""Recurrent networks written down as equations: derived as by hand, checked by machine, compiled to C."""
